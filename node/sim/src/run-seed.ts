/** One seed: a cluster, clients and faults for a while; then no faults, and everything must come together. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MAX_SERIES_BYTES } from '@thermocline/protocol'
import type { Random } from '@thermocline/simulation'
import { PEER_DEAD_MS } from '../../src/paxos/constants.ts'
import type { Replica } from '../../src/replica/replica.ts'
import { Cluster } from './cluster.ts'
import { drawClientFaults } from './faults/client-faults.ts'
import { drawFrameFaults } from './faults/frame-faults.ts'
import { FAULTS, FaultInjector, MEMORY_FAULTS } from './faults/injector.ts'
import { disagreement, failToConverge } from './invariants/converges.ts'
import { Liar } from './liar.ts'
import { MemoryFleet } from './memory-fleet.ts'
import { SimNetwork } from './network.ts'
import { Scheduler } from './scheduler.ts'
import { SLICE_MS } from './topologies.ts'
import { Violation } from './violation.ts'
import { Watch } from './watch.ts'
import { Client } from './workload.ts'

export interface SeedResult {
  readonly seed: number
  readonly error: Violation | undefined
  readonly traceHash: number
  readonly events: number
  readonly simulatedMs: number
  readonly operations: number
  /** How often each fault and each branch of the protocol was met. */
  readonly hits: Readonly<Record<string, number>>
}

const VERSION_CACHE_BYTES = 16 * 1024
/** One row. */
const TINY_VERSION_CACHE_BYTES = 192
const CONVERGE_MS = 30_000
/** How many series have the longest name that there may be. */
const LONG_NAMES = 0.15
/** In segments of this size: one entry holds several of them. */
const LONG_NAMES_FROM = 64 * 1024
/** So long at least, for what comes late. */
const LEAST_FORGET_MS = 2000
/** A link whose frame has a length that a wire has changed swallows questions until it is given up. */
const FORGET_MS = PEER_DEAD_MS + 2000
/** In which all blocks are compared. */
const AUDIT_MS = 1500
/** How often the end of a run is looked for. */
const CHECK_MS = 50

function nameOf(random: Random, number: number, long: number): string {
  const name = `s${random.below(1000)}-${number}`
  return random.chance(long) ? name.padEnd(MAX_SERIES_BYTES, 'x') : name
}

export async function runSeed(seed: number): Promise<SeedResult> {
  const run = new Run(seed)
  await run.toTheEnd()
  const result = run.result(seed)
  await run.close()
  return result
}

class Run {
  private readonly scheduler: Scheduler
  private readonly network: SimNetwork
  private readonly watch: Watch
  private readonly cluster: Cluster
  private readonly clients: readonly Client[]
  private readonly injectors: readonly FaultInjector[]
  /** By the number of the seed, too. */
  private readonly liar: Liar | undefined
  private readonly faultyMs: number
  /** Holds the files that outlive processes. */
  private readonly folder = mkdtempSync(join(tmpdir(), 'thermocline-sim-'))

  constructor(seed: number) {
    this.scheduler = new Scheduler(seed)
    const { scheduler } = this
    const { random } = scheduler
    const replicaCount = random.chance(0.2) ? 5 : 3
    this.faultyMs = random.pick([600, 1000, 1500, 3000])
    this.network = new SimNetwork(scheduler, drawFrameFaults(random, seed))
    this.watch = new Watch(replicaCount)
    const segmentBytes = random.pick([4 * 1024, 8 * 1024, 64 * 1024])
    // One write of the log has to fit a segment.
    const longBytes = segmentBytes / 16
    this.cluster = new Cluster(scheduler, this.network, this.watch, {
      replicaCount,
      segmentBytes,
      retainSegments: random.pick([0, 1, 4]),
      memtableBytes: random.pick([2 * 1024, 8 * 1024, 256 * 1024]),
      maxAnswers: random.pick([64, 256, 4000]),
      auditMs: AUDIT_MS,
      answerAgeMs: random.pick([300, 5000]),
      missProbability: random.pick([0, 0.02, 0.3]),
      versionsFolder: this.folder,
      versionCacheBytes: seed % 4 === 0 ? TINY_VERSION_CACHE_BYTES : VERSION_CACHE_BYTES,
      isSelfFirst: random.chance(0.2),
      traffic: { unfinishedBytes: 1024 * 1024, untakenBytes: 1024 * 1024, connections: 64 },
    })
    const onViolation = (error: Error): void => this.watch.misled(error)
    // By the number, so that what a seed without one does stays as it is.
    if (seed % 2 === 0)
      this.cluster.memory = new MemoryFleet(scheduler, this.cluster, this.folder, onViolation, (what, fields) =>
        this.watch.warned(what, fields),
      )
    const series = Array.from({ length: 1 + random.below(4) }, (_, i) =>
      nameOf(random, i, segmentBytes >= LONG_NAMES_FROM ? LONG_NAMES : 0),
    )
    const faults = drawClientFaults(random)
    const count = 2 + random.below(6)
    this.clients = Array.from(
      { length: count },
      (_, i) =>
        new Client({ name: i, scheduler, cluster: this.cluster, history: this.watch.history, faults, series, longBytes, onViolation }),
    )
    if (seed % 7 === 2) this.liar = new Liar(scheduler, this.cluster, random.below(replicaCount))
    this.watch.hasLiar = this.liar !== undefined
    const lists = this.cluster.memory === undefined ? [FAULTS] : [FAULTS, MEMORY_FAULTS]
    this.injectors = lists.map((faults) => new FaultInjector(scheduler, this.cluster, this.network, faults))
  }

  async toTheEnd(): Promise<void> {
    const { watch, cluster, clients, injectors, scheduler } = this
    try {
      cluster.startAll()
      for (const client of clients) client.run()
      for (const injector of injectors) injector.start()
      this.liar?.start()
      await scheduler.run(this.faultyMs, () => watch.failure !== undefined)
      for (const injector of injectors) injector.stop()
      this.liar?.stop()
      cluster.memory?.calm()
      if (watch.failure === undefined) await this.converge()
      watch.finish(SLICE_MS)
    } catch (caught) {
      const error = caught as Error
      watch.failure ??= error instanceof Violation ? error : new Violation('no-crash', error.stack ?? error.message)
    }
  }

  private async converge(): Promise<void> {
    const { watch, cluster, clients, scheduler } = this
    for (const client of clients) client.isStopped = true
    cluster.startAll()
    const busy = (): number => clients.filter((client) => !client.isIdle).length
    let checkAtMs = 0
    await scheduler.run(scheduler.nowMs + CONVERGE_MS, () => {
      if (watch.failure !== undefined) return true
      if (scheduler.nowMs < checkAtMs) return false
      checkAtMs = scheduler.nowMs + CHECK_MS
      const isAnswered = (cluster.memory?.owed ?? 0) === 0
      return busy() === 0 && isAnswered && !cluster.hasRotten && disagreement(cluster.replicas, watch.decided) === undefined
    })
    if (watch.failure !== undefined) return
    const missing = disagreement(cluster.replicas, watch.decided)
    const owed = cluster.memory?.owed ?? 0
    if (cluster.hasRotten) failToConverge(CONVERGE_MS, 'the content of a block is still wrong somewhere', busy(), owed)
    if (busy() > 0 || missing !== undefined || owed > 0) failToConverge(CONVERGE_MS, missing, busy(), owed)
    watch.quiet(cluster.replicas as Replica[])
    // A name that nobody stands for is asked of every peer before it is forgotten.
    const isForgotten = (replica: Replica): boolean => replica.core.behind.every(({ chosen, knownChosen }) => chosen >= knownChosen)
    const quietMs = scheduler.nowMs + LEAST_FORGET_MS
    await scheduler.run(
      scheduler.nowMs + FORGET_MS,
      () => watch.failure !== undefined || (scheduler.nowMs >= quietMs && (cluster.replicas as Replica[]).every(isForgotten)),
    )
    watch.ended(cluster.replicas as Replica[])
  }

  result(seed: number): SeedResult {
    const { scheduler, watch, clients } = this
    const hits = this.hits()
    const operations = clients.reduce((sum, client) => sum + client.finished, 0)
    const error = watch.failure as Violation | undefined
    return { seed, error, traceHash: scheduler.traceHash >>> 0, events: scheduler.events, simulatedMs: scheduler.nowMs, operations, hits }
  }

  async close(): Promise<void> {
    for (const client of this.clients) client.close()
    await this.cluster.close()
    rmSync(this.folder, { recursive: true, force: true })
  }

  private hits(): Record<string, number> {
    const { cluster, network, injectors, clients } = this
    for (const replica of cluster.replicas) cluster.count(replica)
    const groups: (readonly [string, Readonly<Record<string, number>>])[] = [
      ['network', network.hits],
      ['cluster', cluster.hits],
      ['engine', cluster.engineHits],
      ...injectors.map(({ hits }) => ['fault', hits] as const),
      ['paxos', cluster.branches],
      ['lie', { ...this.liar?.hits }],
      ['memory', { ...cluster.memory?.hits }],
      ['stream', cluster.streams.hits],
      ...cluster.machines.map(({ volume }) => ['disk', volume.disk.hits] as const),
      ...clients.map(({ outcomes }) => ['client', outcomes] as const),
    ]
    const hits: Record<string, number> = {}
    for (const [group, counts] of groups)
      for (const [name, count] of Object.entries(counts)) hits[`${group}.${name}`] = (hits[`${group}.${name}`] ?? 0) + count
    return hits
  }
}
