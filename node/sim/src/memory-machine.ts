/**
 * A memory node of a simulated cluster: the real tier over the simulated replicas. Its process dies now and then, its cache file
 * stays, and what a dying process may leave torn in it is torn. Validations are lost, late, and answered by whoever is there.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ByteReader, ByteWriter, ERRORS, placementOf } from '@thermocline/protocol'
import { LANES, RINGS, Tier } from '../../src/tier/tier.ts'
import { HASH_KEY } from './hash-key.ts'
import type { Scheduler } from './scheduler.ts'
import type { SimTopology } from './topologies.ts'
import type { ValidationLinks } from './validation-links.ts'

const CACHE_BYTES = 1024 * 1024
const IN_FLIGHT = 2
const START_SECONDS = 1_700_000_000
/** A validation is asked of another replica when this one is silent for so long. */
const ATTEMPT_MS = 80
const SLOWEST_PREFETCH_MS = 200
/** How often a stopped process leaves some bytes of its file as no process would write them. */
const TORN = 0.3
const TORN_BYTES = 40
/** Its loss would empty the cache, and hide what is torn. */
const HEADER_BYTES = 4096

export interface MemoryHits {
  reads: number
  restarts: number
  keptFiles: number
  torn: number
  /** Validations that nobody answered in time; answers to such, to those answered before, and to those of a process that died. */
  lost: number
  lateAnswers: number
  answersToTheDead: number
  askedAgain: number
  unchanged: number
  again: number
  later: number
  patientAnswers: number
  /** Pages taken over from another machine, old as they may be by then. */
  prefetched: number
}

export type OnAnswer = (error: number, body: Uint8Array) => void

export interface MemoryMachineOptions {
  readonly scheduler: Scheduler
  readonly number: number
  readonly folder: string
  readonly sliceMs: number
  readonly replicaCount: number
  readonly links: ValidationLinks
  /** After so long a validation has failed. */
  readonly timeoutMs: number
  readonly hits: MemoryHits
}

/** A validation on its way. */
interface UnderWay {
  /** Of storage group and lane. */
  readonly slot: number
  readonly body: Uint8Array
}

export class MemoryMachine {
  private readonly options: MemoryMachineOptions
  private readonly scheduler: Scheduler
  private readonly hits: MemoryHits
  private tier: Tier | undefined
  /** Of the process that runs: what an earlier one began is nobody's. */
  private life = 0
  private topology: SimTopology | undefined
  /** Storage groups that validations ever gathered for. */
  private groups = 0
  private readonly inFlight = new Map<number, number>()
  private readonly underWay = new Map<number, UnderWay>()
  private readonly waiting = new Map<number, OnAnswer>()
  private connection = 0

  constructor(options: MemoryMachineOptions) {
    this.options = options
    this.scheduler = options.scheduler
    this.hits = options.hits
  }

  get isRunning(): boolean {
    return this.tier !== undefined
  }

  private get path(): string {
    return join(this.options.folder, `pages-${this.options.number}`)
  }

  install(topology: SimTopology): void {
    this.topology = topology
    if (this.tier !== undefined) this.sortBy(topology, this.tier)
  }

  private sortBy({ storageGroups, split }: SimTopology, tier: Tier): void {
    tier.setOwners(placementOf(storageGroups).owner, storageGroups)
    // Scans end where records are older; all of the simulation's are of the first seconds after 1970.
    tier.setNewerThan(split === 0n ? 0 : START_SECONDS * 1000 - Number(split >> 16n))
    this.groups = Math.max(this.groups, storageGroups)
  }

  start(): void {
    const { scheduler, topology } = this
    this.life++
    this.tier = new Tier({
      path: this.path,
      owner: 'sim',
      cacheBytes: CACHE_BYTES,
      boot: this.life * 2 + 1,
      sliceDurationMs: this.options.sliceMs,
      restoreGeneration: 0,
      hashKey: HASH_KEY,
    })
    this.groups = 0
    this.sortBy(topology as SimTopology, this.tier)
    if (this.tier.stats().warm === 1) this.hits.keptFiles++
    scheduler.hasReactions = true
  }

  /** Takes over what another machine holds hottest of the blocks of one memory group; it travels a while. */
  prefetch(from: MemoryMachine, groups: number, group: number): void {
    const { scheduler, life } = this
    for (let ring = 0; ring < RINGS; ring++) {
      const hot = from.tier?.copyHot(ring, 0, placementOf(groups).owner, group)
      if (hot === undefined || hot.pages.length === 0) continue
      scheduler.at(scheduler.random.between(1, SLOWEST_PREFETCH_MS), () => {
        if (this.life === life) this.hits.prefetched += this.tier?.putHot(hot.pages, this.nowSeconds()) ?? 0
      })
    }
  }

  crash(): void {
    this.close()
    this.hits.restarts++
    for (const onAnswer of this.waiting.values()) onAnswer(ERRORS.unavailable.number, new Uint8Array(14))
    this.waiting.clear()
    if (this.scheduler.random.chance(TORN)) this.tear()
  }

  /** Some bytes of what is not zero: of entries, most of them. */
  private tear(): void {
    const { random } = this.scheduler
    const file = readFileSync(this.path)
    const places: number[] = []
    for (let at = HEADER_BYTES; at < file.length; at++) if (file[at] !== 0) places.push(at)
    if (places.length === 0) return
    for (let left = TORN_BYTES; left > 0; left--) {
      const at = random.pick(places)
      file[at] = (file[at] as number) ^ (1 + random.below(255))
      this.hits.torn++
    }
    writeFileSync(this.path, file)
  }

  /** A client's read; answered once, or never. */
  submit(operation: number, body: Uint8Array, onAnswer: OnAnswer): void {
    const { tier } = this
    if (tier === undefined) {
      onAnswer(ERRORS.unavailable.number, new Uint8Array(14))
      return
    }
    const connection = ++this.connection
    const writer = new ByteWriter(64 + body.length)
    writer.u32(1)
    writer.u32(this.options.timeoutMs)
    writer.u8(operation)
    writer.u32(body.length)
    writer.put(body)
    this.waiting.set(connection, onAnswer)
    this.hits.reads++
    const frame = writer.copy()
    tier.take(connection, frame, 0, frame.length, 1, this.nowSeconds())
    this.scheduler.at(this.scheduler.random.between(0, 1), () => this.pump())
  }

  private nowSeconds(): number {
    return START_SECONDS + Math.floor(this.scheduler.nowMs / 1000)
  }

  private pump(): void {
    const { tier } = this
    if (tier === undefined) return
    for (let slot = 0; slot < this.groups * LANES; slot++) {
      const lane = slot % LANES
      while ((this.inFlight.get(slot) ?? 0) < IN_FLIGHT) {
        const begun = tier.begin((slot - lane) / LANES, lane, this.nowSeconds())
        if (begun === undefined) break
        this.inFlight.set(slot, (this.inFlight.get(slot) ?? 0) + 1)
        this.validate(begun.number, { slot, body: begun.body.slice() })
      }
    }
    this.respond(tier)
  }

  /** Any replica is asked, then others; the first answer counts. */
  private validate(number: number, begun: UnderWay): void {
    const { scheduler, life } = this
    const { timeoutMs } = this.options
    this.underWay.set(number, begun)
    const isWanted = (): boolean => this.life === life && this.underWay.get(number) === begun
    const ask = (): void => {
      this.ask(number, begun, life, isWanted)
      scheduler.at(ATTEMPT_MS, () => {
        if (!isWanted()) return
        this.hits.askedAgain++
        ask()
      })
    }
    ask()
    scheduler.at(timeoutMs, () => {
      if (!isWanted()) return
      this.hits.lost++
      this.failed(number)
    })
  }

  private ask(number: number, { body, slot }: UnderWay, life: number, isWanted: () => boolean): void {
    const { links, number: machine, replicaCount, timeoutMs } = this.options
    links.ask(machine, this.scheduler.random.below(replicaCount), body, timeoutMs, (error, answer) => {
      if (error !== 0) {
        if (isWanted()) this.failed(number)
        return
      }
      if (this.isOfTheDead(life)) {
        this.hits.answersToTheDead++
        return
      }
      if (slot % LANES === LANES - 1) this.hits.patientAnswers++
      this.answered(number, answer)
    })
  }

  /** Connections end with their process: nobody is there to take what comes by them. */
  private isOfTheDead(life: number): boolean {
    return life !== this.life || this.tier === undefined
  }

  /** To that number, whatever has become of it. */
  private answered(number: number, answer: Uint8Array): void {
    const tier = this.tier as Tier
    try {
      tier.finish(number, answer, this.nowSeconds())
    } catch (error) {
      if (!isUnknownNumber(error)) throw error
      this.hits.lateAnswers++
      return
    }
    this.ended(number)
  }

  private failed(number: number): void {
    this.tier?.fail(number, 'unavailable', 'no replica answered')
    this.ended(number)
  }

  private ended(number: number): void {
    const { slot } = this.underWay.get(number) as UnderWay
    this.underWay.delete(number)
    this.inFlight.set(slot, (this.inFlight.get(slot) as number) - 1)
    this.pump()
  }

  private respond(tier: Tier): void {
    for (const connection of tier.dirty()) {
      const reader = new ByteReader(tier.flush(connection, 1).slice())
      reader.skip(4 + 1 + 4 + 2 + 4)
      const error = reader.u8()
      const body = reader.take(reader.u32()).slice()
      const onAnswer = this.waiting.get(connection)
      this.waiting.delete(connection)
      tier.forget(connection)
      this.scheduler.at(this.scheduler.random.between(0.1, 2), () => onAnswer?.(error, body))
    }
  }

  /** Requests that nobody has been told about. */
  get owed(): number {
    return this.tier === undefined ? 0 : this.waiting.size
  }

  close(): void {
    const stats = this.tier?.stats()
    this.hits.unchanged += stats?.unchanged ?? 0
    this.hits.again += stats?.again ?? 0
    this.hits.later += stats?.later ?? 0
    this.tier?.close()
    this.tier = undefined
    this.inFlight.clear()
    this.underWay.clear()
  }
}

function isUnknownNumber(error: unknown): boolean {
  return error instanceof Error && error.message.includes('no validation of that number')
}
