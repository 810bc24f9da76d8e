/**
 * A machine of the memory tier: the real memory node, a client of the simulated replicas, on simulated streams. Its process dies now and
 * then, its cache file stays, and what a dying process may leave torn in it is torn.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connectIn } from '@thermocline/client/internal'
import { cacheFilePrefix } from '@thermocline/protocol'
import { Complaints } from '../../src/doors/complaints.ts'
import { Traffic, type TrafficLimits } from '../../src/doors/traffic.ts'
import { type HotPages, type HotPagesQuery, NotNow } from '../../src/roles/memory/hot-pages.ts'
import { MemoryNode } from '../../src/roles/memory/memory-node.ts'
import { openTier } from '../../src/tier/tier.ts'
import { EPOCH_MS } from './cluster.ts'
import { HASH_KEY } from './hash-key.ts'
import { processClock } from './process-clock.ts'
import type { Scheduler } from './scheduler.ts'
import type { Host, SimStreams } from './streams.ts'
import { CLUSTER_ID, memoryAddress, memoryName, placementOfGroups, storageAddress } from './topologies.ts'

const CACHE_BYTES = 1024 * 1024
const SLOWEST_PREFETCH_MS = 200
/** How often a stopped process leaves some bytes of its file as no process would write them. */
const TORN = 0.3
const TORN_BYTES = 40
/** Its loss would empty the cache, and hide what is torn. */
const HEADER_BYTES = 4096

export interface MemoryHits {
  restarts: number
  keptFiles: number
  torn: number
  unchanged: number
  again: number
  later: number
  failed: number
  /** Pages taken over from another machine, old as they may be by then. */
  prefetched: number
}

export interface MemoryMachineOptions {
  readonly scheduler: Scheduler
  readonly streams: SimStreams
  readonly group: number
  readonly number: number
  readonly folder: string
  readonly replicaCount: number
  readonly traffic: TrafficLimits
  /** After so long a validation has failed. */
  readonly timeoutMs: number
  readonly hits: MemoryHits
  /** The machine that is found at an address. */
  readonly at: (address: string) => MemoryMachine | undefined
  readonly onError: (error: Error) => void
  readonly complain: (what: string, fields: Record<string, unknown>) => void
}

interface Life extends Host {
  isOver: boolean
}

export class MemoryMachine {
  private readonly options: MemoryMachineOptions
  /** By how much its wall clock is wrong. */
  wallSkewMs: number
  private node: MemoryNode | undefined
  private life: Life | undefined

  constructor(options: MemoryMachineOptions) {
    this.options = options
    this.wallSkewMs = options.scheduler.random.between(-500, 500)
  }

  get group(): number {
    return this.options.group
  }

  get number(): number {
    return this.options.number
  }

  get isRunning(): boolean {
    return this.node !== undefined
  }

  start(): void {
    const { group, number, scheduler, streams, replicaCount, folder, hits } = this.options
    const { random } = scheduler
    const life: Life = { name: memoryName(group, number), isOver: false, isAlive: () => !life.isOver }
    const clock = processClock({
      scheduler,
      isAlive: life.isAlive,
      wallMs: () => EPOCH_MS + this.wallSkewMs + scheduler.nowMs,
      onError: this.options.onError,
    })
    const world = {
      clock,
      random: random.next,
      randomBytes: (count: number) => Uint8Array.from({ length: count }, () => random.below(256)),
      openStream: (name: string, port: number, events: Parameters<SimStreams['open']>[2]) => streams.open(life, `${name}:${port}`, events),
    }
    const address = memoryAddress(group, number)
    const config = {
      role: 'memory' as const,
      group,
      machine: number,
      clusterId: CLUSTER_ID,
      storage: Array.from({ length: replicaCount }, (_, replica) => storageAddress(0, replica)),
      listen: address,
      http: address,
      allowHosts: [],
      cacheBytes: CACHE_BYTES,
      cacheDir: folder,
      prefetch: true,
      logLevel: 'info' as const,
    }
    this.life = life
    this.node = new MemoryNode(config, {
      clock,
      randomHex: (bytes) => random.hex(bytes),
      server: streams.server(life),
      traffic: new Traffic(this.options.traffic),
      complaints: new Complaints(this.options.complain, clock.every),
      openTier: (options) => {
        const tier = openTier({ ...options, hashKey: HASH_KEY })
        if (tier.stats().warm === 1) hits.keptFiles++
        return tier
      },
      fetchHotPages: (http, query) => this.fetch(life, http, query),
      connect: async (options) => {
        const client = await connectIn(world, options)
        const validate = client.validate.bind(client)
        // So that a validation may fail: nothing here waits for seconds.
        client.validate = (body, block, replica) => validate(body, block, replica, { timeoutMs: this.options.timeoutMs })
        return client
      },
      log: { info: () => {}, warn: () => {} },
    })
    this.node.start().catch((error: unknown) => {
      if (!life.isOver) this.options.onError(error as Error)
    })
    scheduler.hasReactions = true
  }

  /** A piece of another machine's ring; it travels a while. */
  private fetch(life: Life, http: string, { groups, group, ring, position }: HotPagesQuery): Promise<HotPages> {
    const { scheduler, hits, at } = this.options
    const tier = at(http)?.node?.tier
    const piece = tier?.copyHot(ring, position, placementOfGroups(groups), group)
    const pages = piece?.pages.slice() ?? new Uint8Array(0)
    return new Promise((resolve, reject) => {
      scheduler.at(scheduler.random.between(1, SLOWEST_PREFETCH_MS / 8), () => {
        if (life.isOver) return
        if (piece === undefined) reject(new NotNow('it does not run'))
        else resolve({ position: piece.position, pages })
        if (pages.length > 0) hits.prefetched++
        scheduler.hasReactions = true
      })
    })
  }

  crash(): void {
    this.close()
    this.options.hits.restarts++
    if (this.options.scheduler.random.chance(TORN)) this.tear()
  }

  private get path(): string {
    const { folder, group, number } = this.options
    return join(folder, `${cacheFilePrefix(CLUSTER_ID)}m${group}-${number}.pages`)
  }

  /** Some bytes of what is not zero: of entries, most of them. */
  private tear(): void {
    const { random } = this.options.scheduler
    if (!existsSync(this.path)) return
    const file = readFileSync(this.path)
    const places: number[] = []
    for (let at = HEADER_BYTES; at < file.length; at++) if (file[at] !== 0) places.push(at)
    if (places.length === 0) return
    for (let left = TORN_BYTES; left > 0; left--) {
      const at = random.pick(places)
      file[at] = (file[at] as number) ^ (1 + random.below(255))
      this.options.hits.torn++
    }
    writeFileSync(this.path, file)
  }

  /** Requests that the cache took and has not answered. */
  get owed(): number {
    return this.node?.tier?.stats().waiting ?? 0
  }

  close(): void {
    const { hits, streams } = this.options
    const { node, life } = this
    if (node === undefined || life === undefined) return
    const stats = node.tier?.stats()
    hits.unchanged += stats?.unchanged ?? 0
    hits.again += stats?.again ?? 0
    hits.later += stats?.later ?? 0
    hits.failed += node.failedValidations
    life.isOver = true
    streams.dropAll(life)
    node.tier?.close()
    this.node = undefined
  }
}
