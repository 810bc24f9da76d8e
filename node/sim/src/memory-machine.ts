/**
 * A memory node of a simulated cluster: the real tier over the simulated replicas. Its process dies now and then, its cache file
 * stays, and what a dying process may leave torn in it is torn. Validations are lost, late, and answered by whoever is there.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ByteReader, ByteWriter, ERRORS, Operation, placementOf } from '@thermocline/protocol'
import { LANES, Tier } from '../../src/tier/tier.ts'
import type { Cluster } from './cluster.ts'
import type { Scheduler } from './scheduler.ts'

const CACHE_BYTES = 1024 * 1024
const IN_FLIGHT = 2
const TIMEOUT_MS = 300
/** How often a stopped process leaves some bytes of its file as no process would write them. */
const TORN = 0.3
const TORN_BYTES = 40
/** Its loss would empty the cache, and hide what is torn. */
const HEADER_BYTES = 4096

type OnAnswer = (error: number, body: Uint8Array) => void

export class MemoryMachine {
  readonly hits = { reads: 0, restarts: 0, keptFiles: 0, torn: 0, lost: 0, unchanged: 0, again: 0 }
  private readonly scheduler: Scheduler
  private readonly cluster: Cluster
  private readonly sliceMs: number
  private readonly folder: string
  private readonly crashEveryMs: number
  private tier: Tier | undefined
  /** Of the process that runs: what an earlier one began is nobody's. */
  private life = 0
  private inFlight = new Map<number, number>()
  private readonly waiting = new Map<number, OnAnswer>()
  private connection = 0

  constructor(scheduler: Scheduler, cluster: Cluster, sliceMs: number) {
    this.scheduler = scheduler
    this.cluster = cluster
    this.sliceMs = sliceMs
    this.folder = mkdtempSync(join(tmpdir(), 'thermocline-sim-'))
    this.crashEveryMs = scheduler.random.pick([100, 400, 100_000])
    this.start()
    this.planCrash()
  }

  private get path(): string {
    return join(this.folder, 'pages')
  }

  private start(): void {
    const { scheduler } = this
    this.life++
    this.tier = new Tier({
      path: this.path,
      owner: 'sim',
      cacheBytes: CACHE_BYTES,
      boot: this.life * 2 + 1,
      sliceDurationMs: this.sliceMs,
      restoreGeneration: 0,
    })
    this.tier.setOwners(placementOf(1).owner, 1)
    this.inFlight = new Map()
    if (this.tier.stats().warm === 1) this.hits.keptFiles++
    scheduler.hasReactions = true
  }

  private planCrash(): void {
    const { scheduler } = this
    const { random } = scheduler
    scheduler.at(random.between(0.2, 1.8) * this.crashEveryMs, () => {
      this.crash()
      scheduler.at(random.between(1, 60), () => {
        this.start()
        this.planCrash()
      })
    })
  }

  private crash(): void {
    this.count()
    this.tier?.close()
    this.tier = undefined
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
    writer.u32(TIMEOUT_MS)
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
    return 1_700_000_000 + Math.floor(this.scheduler.nowMs / 1000)
  }

  private pump(): void {
    const { tier } = this
    if (tier === undefined) return
    for (let lane = 0; lane < LANES; lane++) {
      while ((this.inFlight.get(lane) ?? 0) < IN_FLIGHT) {
        const begun = tier.begin(0, lane, this.nowSeconds())
        if (begun === undefined) break
        this.inFlight.set(lane, (this.inFlight.get(lane) ?? 0) + 1)
        this.validate(lane, begun.number, begun.body.slice())
      }
    }
    this.respond(tier)
  }

  /** To any replica; the answer comes once, late, or not at all. */
  private validate(lane: number, number: number, body: Uint8Array): void {
    const { scheduler, life } = this
    const { random } = scheduler
    let isOver = false
    const end = (run: (tier: Tier) => void): void => {
      if (isOver || this.life !== life || this.tier === undefined) return
      isOver = true
      this.inFlight.set(lane, (this.inFlight.get(lane) ?? 1) - 1)
      run(this.tier)
      this.pump()
    }
    scheduler.at(TIMEOUT_MS, () =>
      end((tier) => {
        this.hits.lost++
        tier.fail(number, 'unavailable', 'no answer in time')
      }),
    )
    const process = random.pick(this.cluster.livesOf(random.below(this.cluster.machines.length)))
    scheduler.at(random.between(0.1, 2), () => {
      if (process?.replica === undefined || !process.isAlive) {
        end((tier) => tier.fail(number, 'unavailable', 'nobody there'))
        return
      }
      const reply = (_token: number, error: number, answer: Uint8Array): void => {
        const copy = answer.slice()
        scheduler.at(random.between(0.1, 4), () =>
          end((tier) => {
            if (error === 0) tier.finish(number, copy, this.nowSeconds())
            else tier.fail(number, 'unavailable', `error ${error}`)
          }),
        )
      }
      process.replica.submit(Operation.validate, body, TIMEOUT_MS, { reply }, 0)
      scheduler.hasReactions = true
    })
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

  private count(): void {
    const stats = this.tier?.stats()
    this.hits.unchanged += stats?.unchanged ?? 0
    this.hits.again += stats?.again ?? 0
  }

  /** The run is over. */
  close(): void {
    this.count()
    this.tier?.close()
    this.tier = undefined
    rmSync(this.folder, { recursive: true, force: true })
  }
}
