/** A simulated group: machines with volumes that survive, and processes on them that do not. The replicas are the real ones. */
import { type Clock, type Incarnation, replicaOrder, ThermoclineError } from '@thermocline/protocol'
import { Traffic, type TrafficLimits } from '../../src/doors/traffic.ts'
import { type Engine, openEngine } from '../../src/engine/mod.ts'
import { joinGroup } from '../../src/replica/join.ts'
import { Replica } from '../../src/replica/replica.ts'
import { openVolume, saveVolume, type Volume } from '../../src/replica/volume.ts'
import { openDataPorts } from './data-ports.ts'
import type { DiskCopy } from './disk.ts'
import { HASH_KEY } from './hash-key.ts'
import type { MemoryFleet } from './memory-fleet.ts'
import type { SimNetwork } from './network.ts'
import { processClock } from './process-clock.ts'
import type { Scheduler } from './scheduler.ts'
import { DeferredReads, exceptRotten, simEngine } from './sim-engine.ts'
import { drawStreamHabits, type Host, SimStreams, type StreamHabits } from './streams.ts'
import { CLUSTER_ID, SLICE_MS, storageName, Topologies } from './topologies.ts'
import { SimVolume } from './volume.ts'
import type { Life, Watch } from './watch.ts'

/** When a run begins, by clocks that are right. */
export const EPOCH_MS = 1_700_000_000_000

export interface ClusterOptions {
  readonly replicaCount: number
  readonly segmentBytes: number
  readonly retainSegments: number
  readonly memtableBytes: number
  readonly maxAnswers: number
  readonly answerAgeMs: number
  readonly auditMs: number
  /** What a test puts between a replica and its engine. */
  readonly wrapEngine?: (engine: Engine, replica: number) => Engine
  /** How often a read finds its block not cached. */
  readonly missProbability: number
  /** Its size: a small one forgets most, and is filled by what reads from disk find. */
  readonly versionCacheBytes: number
  /** Every replica takes itself for the best of every block, so that all of them propose. */
  readonly isSelfFirst: boolean
  /** Of each node's data port. */
  readonly traffic: TrafficLimits
  /** Drawn, if it is not given. */
  readonly streamHabits?: StreamHabits
}

class Machine {
  readonly number: number
  /** Where the network finds it: elsewhere, once another machine has taken its place. */
  place: number
  volume: SimVolume
  /** Of the volume that the topology fills the slot with. */
  readonly namedNonce: string
  /** Its volume votes in every block. */
  isVoter = true
  /** Something on its disk is not as it was written. */
  isDamaged = false
  life: Life | undefined
  /** Of the process: what clients are connected to. */
  host: Host | undefined
  /** Wall clocks are wrong, each by its own amount, which changes when one is set. */
  wallSkewMs: number

  constructor(scheduler: Scheduler, number: number, namedNonce?: string) {
    this.number = number
    this.place = number
    this.volume = new SimVolume(scheduler)
    this.namedNonce = namedNonce ?? this.volume.freshNonce
    this.wallSkewMs = scheduler.random.between(-500, 500)
  }
}

export class Cluster {
  readonly machines: Machine[] = []
  /** Machines whose process lives on although another machine has taken their place. */
  readonly zombies: Machine[] = []
  private readonly scheduler: Scheduler
  private readonly network: SimNetwork
  private readonly watch: Watch
  readonly options: ClusterOptions
  readonly hits = {
    crashes: 0,
    restarts: 0,
    cutTails: 0,
    fatalSyncs: 0,
    rejoins: 0,
    rejoined: 0,
    rollBacks: 0,
    zombies: 0,
    zombiesFound: 0,
  }
  readonly engineHits = { misses: 0, wrongCopies: 0, deferredValidations: 0, staleFills: 0 }
  private readonly deferred: DeferredReads
  /** Between clients and data ports. */
  readonly streams: SimStreams
  readonly topologies: Topologies
  /** Not every seed has a memory tier. */
  memory: MemoryFleet | undefined
  /** Of all lives: what an ended process would have left to the system to free. */
  private readonly engines: Engine[] = []
  /** Counters of all lives that ended. */
  readonly branches: Record<string, number> = {}

  constructor(scheduler: Scheduler, network: SimNetwork, watch: Watch, options: ClusterOptions) {
    this.scheduler = scheduler
    this.network = network
    this.watch = watch
    this.options = options
    this.deferred = new DeferredReads(scheduler)
    this.streams = new SimStreams(scheduler, options.streamHabits ?? drawStreamHabits(scheduler.random))
    this.topologies = new Topologies(scheduler, options.replicaCount)
    for (let replica = 0; replica < options.replicaCount; replica++) this.machines.push(new Machine(scheduler, replica))
  }

  get replicas(): (Replica | undefined)[] {
    return this.machines.map(({ life }) => life?.replica)
  }

  startAll(): void {
    for (const [replica, machine] of this.machines.entries()) if (machine.life === undefined) void this.start(replica)
  }

  /** Starts a process on the machine's volume. Resolves when it serves; never, if it crashes before. */
  async start(number: number): Promise<void> {
    const machine = this.machines[number] as Machine
    const life: Life = { number, volume: machine.volume, found: undefined, isAlive: true, rotten: new Set(), replica: undefined }
    machine.life = life
    try {
      const replica = await this.open(life, machine)
      await replica?.start()
      if (!life.isAlive || replica === undefined) return
      this.watch.serving(life, replica)
      life.replica = replica
      this.hits.restarts++
      if (replica.replayed.cutTail) this.hits.cutTails++
    } catch (error) {
      if (!life.isAlive) return
      if (isFailedSync(error)) this.endAfterFailedSync(machine)
      else if (machine.isDamaged && isCorrupt(error)) void this.orderRejoin(life, machine, error.message)
      else this.watch.refusedStart(life, error as Error)
    }
  }

  private async open(life: Life, machine: Machine): Promise<Replica | undefined> {
    const { scheduler, options, watch } = this
    const { number, volume } = life
    const isAlive = (): boolean => life.isAlive
    const { logFolder, stateFiles } = volume.disk.open(isAlive)
    const { freshNonce } = volume
    const found = await openVolume(stateFiles, { clusterId: CLUSTER_ID, group: 0, replica: number, freshNonce })
    if (!life.isAlive) return undefined
    const network = this.network.port(number, options.replicaCount, isAlive)
    const clock = this.clock(machine, life)
    const host = { name: storageName(number), isAlive }
    machine.host = host
    await openDataPorts({
      host,
      number,
      streams: this.streams,
      topologies: this.topologies,
      clock,
      traffic: new Traffic(options.traffic),
      volume: () => life.found ?? found,
      replica: () => life.replica,
      complain: (what, fields) => watch.warned(what, fields),
    })
    if (!life.isAlive) return undefined
    const isNamed = (replica: number, { number, nonce }: Incarnation): boolean =>
      number === 0 && this.machines[replica]?.namedNonce === nonce
    const joined = await joinGroup(found, {
      files: stateFiles,
      logFolder,
      network,
      replicaCount: options.replicaCount,
      randomHex: (bytes) => scheduler.random.hex(bytes),
      isNamed,
      dropEngine: () => Promise.reject(new Error('the simulated engine is not damaged')),
      onWaiting: () => this.forget(life, machine),
    })
    if (!life.isAlive) return undefined
    life.found = joined
    const table = openEngine(
      {
        sliceDurationMs: SLICE_MS,
        memtableBytes: options.memtableBytes,
        blockCacheBytes: 0,
        versionCacheBytes: options.versionCacheBytes,
        incarnation: `${number}:${joined.incarnation.nonce}`,
        verifyOldRecords: true,
        hashKey: HASH_KEY,
      },
      volume.store,
    )
    this.engines.push(table)
    const wrapped = options.wrapEngine?.(table, number) ?? table
    const engine = simEngine(wrapped, {
      scheduler,
      disk: volume.disk,
      store: volume.store,
      deferred: this.deferred,
      missProbability: options.missProbability,
      isAlive,
      willCompare: (block) => !made.rejoin.isPromoted(block),
      rotten: life.rotten,
      hits: this.engineHits,
    })
    const made: Replica = new Replica({
      volume: joined,
      bootNonce: scheduler.random.hex(8),
      replicaCount: options.replicaCount,
      engine,
      clock,
      random: () => scheduler.random.next(),
      randomHex: (bytes) => scheduler.random.hex(bytes),
      logFolder,
      network,
      segmentBytes: options.segmentBytes,
      retainSegments: options.retainSegments,
      limits: { maxWrites: 1000, maxWriteBytes: 1e7, maxReads: 1000, maxReadBytes: 1e7 },
      maxAnswers: options.maxAnswers,
      answerAgeMs: options.answerAgeMs,
      auditMs: options.auditMs,
      priority: this.priority(number),
      owns: () => true,
      epoch: () => 1,
      isNamed,
      onEpochSeen: () => {},
      warn: (what, fields) => {
        if (what.startsWith('a block is set aside')) watch.setAside(life, fields.block as number)
        watch.warned(what, fields)
      },
      violated: (what) => watch.warned('a peer broke the protocol; its message was ignored', { what }),
      fatal: (error) => this.ended(life, machine, error),
      onRejected: (message) => {
        if (this.isZombie(machine)) {
          this.hits.zombiesFound++
          this.end(machine)
          return
        }
        if (machine.isVoter && !machine.isDamaged) watch.rejected(life, message)
        void this.orderRejoin(life, machine, message)
      },
      onComplete: () => void this.endLearning(life, machine),
      observer: watch.observer(life, () => made, exceptRotten(engine, table, life.rotten)),
    })
    watch.starting(life, made, engine)
    return made
  }

  private priority(number: number): (block: number) => readonly number[] {
    const { isSelfFirst, replicaCount } = this.options
    if (!isSelfFirst) return (block) => replicaOrder(block % 60, replicaCount)
    const order = [number, ...[...this.machines.keys()].filter((other) => other !== number)]
    return () => order
  }

  /** The process has ended itself: after a failed sync it must, anything else is a bug. */
  private ended(life: Life, machine: Machine, error: Error): void {
    if (isFailedSync(error)) this.endAfterFailedSync(machine)
    else this.watch.failed(life, error)
  }

  private endAfterFailedSync(machine: Machine): void {
    this.hits.fatalSyncs++
    this.end(machine)
    if (!this.isZombie(machine)) this.restartWithin(machine.number, 600)
  }

  private clock(machine: Machine, life: Life): Clock {
    const { scheduler } = this
    return processClock({
      scheduler,
      isAlive: () => life.isAlive,
      wallMs: () => EPOCH_MS + machine.wallSkewMs + scheduler.nowMs,
      onError: (error) => this.watch.failed(life, error),
    })
  }

  /** The volume cannot go on as it is: the next process takes a new incarnation. */
  private async orderRejoin(life: Life, machine: Machine, reason: string): Promise<void> {
    const { stateFiles } = life.volume.disk.open(() => life.isAlive)
    if (life.found === undefined) return
    await saveVolume(stateFiles, { ...life.found, rejoin: { reason, dropEngine: false } })
    if (!life.isAlive) return
    this.end(machine)
    if (!this.isZombie(machine)) this.restartWithin(machine.number, 600)
  }

  /** The volume is to learn anew: what it voted counts no more, as if it were another. */
  private forget(life: Life, machine: Machine): void {
    this.hits.rejoins++
    machine.isVoter = false
    machine.isDamaged = false
    this.watch.crashed(life.volume)
    machine.volume = new SimVolume(this.scheduler, life.volume)
    life.volume = machine.volume
  }

  private async endLearning(life: Life, machine: Machine): Promise<void> {
    const { stateFiles } = life.volume.disk.open(() => life.isAlive)
    await saveVolume(stateFiles, { ...(life.found as Volume), standing: 'voter' })
    if (!life.isAlive) return
    life.replica?.noteVoter()
    machine.isVoter = true
    this.hits.rejoined++
  }

  /** The machine loses its disk; its next process finds an empty one. */
  wipe(number: number): void {
    this.crash(number)
    const machine = this.machines[number] as Machine
    machine.volume = new SimVolume(this.scheduler)
    machine.isVoter = false
    machine.isDamaged = false
  }

  /**
   * The replica's machine is given up although its process lives on, with its disk and its connections; another machine,
   * with an empty disk, takes its place. Returns where the old process is found; undefined if there is none to live on.
   */
  replace(number: number): number | undefined {
    const old = this.machines[number] as Machine
    if (old.life?.replica === undefined || this.zombies.some((zombie) => zombie.number === number)) return undefined
    old.place = this.network.moveElsewhere(number)
    this.zombies.push(old)
    const machine = new Machine(this.scheduler, number, old.namedNonce)
    machine.isVoter = false
    this.machines[number] = machine
    this.hits.zombies++
    return old.place
  }

  private isZombie(machine: Machine): boolean {
    return this.machines[machine.number] !== machine
  }

  /** The processes that clients find under the replica's number. */
  livesOf(number: number): (Life | undefined)[] {
    return [...this.machines, ...this.zombies].filter((machine) => machine.number === number).map(({ life }) => life)
  }

  /** The fault that calls it has changed something on the machine's disk. */
  damage(number: number): void {
    const machine = this.machines[number] as Machine
    machine.isDamaged = true
  }

  /** The machine's volume goes back to an earlier state, and another process starts on it. */
  rollBack(number: number, copy: DiskCopy): void {
    this.crash(number)
    const machine = this.machines[number] as Machine
    machine.volume.disk.restore(copy)
    machine.volume = new SimVolume(this.scheduler, machine.volume)
    machine.isVoter = false
  }

  /** Some block's content is wrong somewhere. */
  get hasRotten(): boolean {
    return this.machines.some(({ life }) => (life?.rotten.size ?? 0) > 0)
  }

  /** As many may be without their votes as a group can lose and still be made whole. */
  canLoseAnother(): boolean {
    const { replicaCount } = this.options
    return (
      this.machines.filter(({ isVoter, isDamaged, life }) => !isVoter || isDamaged || (life?.rotten.size ?? 0) > 0).length <
      (replicaCount - 1) >> 1
    )
  }

  /** The process dies, and with it everything that was not durable. */
  crash(number: number): void {
    this.end(this.machines[number] as Machine)
  }

  private end(machine: Machine): void {
    const { life } = machine
    if (life === undefined) return
    this.count(life.replica)
    life.isAlive = false
    life.replica?.halt()
    machine.life = undefined
    this.watch.crashed(life.volume)
    life.volume.disk.crash()
    this.network.dropAll(machine.place)
    if (machine.host !== undefined) this.streams.dropAll(machine.host)
    this.hits.crashes++
    if (this.isZombie(machine)) this.zombies.splice(this.zombies.indexOf(machine), 1)
  }

  /** All disks work. */
  mend(): void {
    for (const { volume } of [...this.machines, ...this.zombies]) volume.disk.mend()
    this.streams.mend()
  }

  /** A new process starts on the machine after at most `downMs`, unless one did before. */
  restartWithin(number: number, downMs: number): void {
    this.scheduler.at(this.scheduler.random.between(1, downMs), () => {
      if (this.machines[number]?.life === undefined) void this.start(number)
      this.scheduler.hasReactions = true
    })
  }

  /** The run is over: ends all processes, and frees what they held. */
  async close(): Promise<void> {
    this.memory?.close()
    for (const machine of [...this.machines, ...this.zombies]) this.end(machine)
    this.deferred.end()
    await Promise.all(this.engines.map((engine) => engine.close()))
  }

  count(replica: Replica | undefined): void {
    if (replica === undefined) return
    const { core, copier, forwarder, flusher, log, rejoin, requests } = replica
    const all = {
      ...core.counters,
      copied: copier.copied,
      ...rejoin.counters,
      setAside: replica.counters.setAside,
      differences: replica.audit.counters.differences,
      forwarded: forwarder.forwarded,
      flushes: flusher.flushes,
      syncs: log.syncs,
      refusedRequests: requests.counters.refused,
    }
    for (const [name, value] of Object.entries(all)) this.branches[name] = (this.branches[name] ?? 0) + value
  }
}

function isCorrupt(error: unknown): error is ThermoclineError {
  return error instanceof ThermoclineError && error.code === 'corrupt'
}

function isFailedSync(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EIO'
}
