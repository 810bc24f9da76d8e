/** A simulated group: machines with volumes that survive, and processes on them that do not. The nodes are the real ones. */
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '@thermocline/protocol'
import type { NodeConfig } from '../../src/config.ts'
import { Complaints } from '../../src/doors/complaints.ts'
import { Traffic, type TrafficLimits } from '../../src/doors/traffic.ts'
import { type Engine, type EngineOptions, openEngine } from '../../src/engine/mod.ts'
import type { IncomingStream } from '../../src/io/ports.ts'
import { Replica } from '../../src/replica/replica.ts'
import type { ReplicaOptions } from '../../src/replica/replica-options.ts'
import { openVolume } from '../../src/replica/volume.ts'
import { type NodeWorld, StorageNode } from '../../src/roles/storage/storage-node.ts'
import { openOtherGroups } from './data-ports.ts'
import type { DiskCopy } from './disk.ts'
import { HASH_KEY } from './hash-key.ts'
import type { MemoryFleet } from './memory-fleet.ts'
import type { SimNetwork } from './network.ts'
import { processClock } from './process-clock.ts'
import type { Scheduler } from './scheduler.ts'
import { DeferredReads, exceptRotten, simEngine } from './sim-engine.ts'
import { drawStreamHabits, type Host, SimStreams } from './streams.ts'
import { CLUSTER_ID, SLICE_MS, storageAddress, storageName, Topologies } from './topologies.ts'
import { SimVolume } from './volume.ts'
import type { Life, Watch } from './watch.ts'

/** When a run begins, by clocks that are right. */
export const EPOCH_MS = 1_700_000_000_000

/** The configuration of every node, where the seed does not say otherwise. */
const CONFIG: Omit<NodeConfig, 'replica' | 'listen' | 'http' | 'segmentBytes' | 'auditMs'> = {
  role: 'storage',
  dataDir: '',
  group: 0,
  clusterId: CLUSTER_ID,
  allowHosts: [],
  memoryBytes: 0,
  logBytes: 0,
  tokenFile: undefined,
  foreignVolume: 'refuse',
  versionCacheDir: undefined,
  versionCacheBytes: undefined,
  logLevel: 'info',
}
/** Reads stop at the second removal: a series of the workload has few records. */
const FEW_STEPS = { readSteps: 1, taskSteps: 2 }

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
  /** Where its files are; undefined: they end with their processes. */
  readonly versionsFolder?: string
  /** Every replica takes itself for the best of every block, so that all of them propose. */
  readonly isSelfFirst: boolean
  /** Bounds of each node's data port. */
  readonly traffic: TrafficLimits
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
  /** The process as clients find it. */
  host: Host | undefined
  /** The version cache of its last process, which is in memory: a power cut takes it. */
  versions: string | undefined
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
    powerCuts: 0,
    keptVersions: 0,
    restarts: 0,
    cutTails: 0,
    fatalSyncs: 0,
    rejoins: 0,
    rejoined: 0,
    rollBacks: 0,
    zombies: 0,
    zombiesFound: 0,
  }
  readonly engineHits = { misses: 0, wrongCopies: 0, deferredValidations: 0, staleFills: 0, undone: 0, untold: 0 }
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
    this.streams = new SimStreams(scheduler, drawStreamHabits(scheduler.random))
    for (let replica = 0; replica < options.replicaCount; replica++) this.machines.push(new Machine(scheduler, replica))
    this.topologies = new Topologies(
      scheduler,
      this.machines.map(({ namedNonce }) => namedNonce),
    )
  }

  get replicas(): (Replica | undefined)[] {
    return this.machines.map(({ life }) => life?.replica)
  }

  startAll(): void {
    for (const [replica, machine] of this.machines.entries()) if (machine.life === undefined) void this.start(replica)
  }

  /** Starts a process on the machine's volume; it serves in its own time, unless it crashes before. */
  async start(number: number): Promise<void> {
    const machine = this.machines[number] as Machine
    const isAlive = (): boolean => life.isAlive
    const host = { name: storageName(number), isAlive }
    const life: Life = { number, volume: machine.volume, found: undefined, isAlive: true, rotten: new Set(), replica: undefined }
    machine.life = life
    machine.host = host
    try {
      const { logFolder, stateFiles } = life.volume.disk.open(isAlive)
      const { freshNonce } = life.volume
      life.found = await openVolume(stateFiles, { clusterId: CLUSTER_ID, group: 0, replica: number, freshNonce })
      const clock = this.clock(machine, life)
      const world = this.worldOf(machine, life, { clock, host, logFolder, stateFiles })
      const node = new StorageNode(this.configOf(number), world, life.found)
      await openOtherGroups({ ...world, host, number, streams: this.streams, volume: life.found, node })
      await node.start()
      this.topologies.follow((topology) => {
        // What goes wrong then is told by `fatal`.
        if (life.isAlive) node.installTopology(topology).catch(() => {})
      })
    } catch (error) {
      if (life.isAlive) this.ended(life, machine, error as Error)
    }
  }

  private configOf(replica: number): NodeConfig {
    const { segmentBytes, auditMs } = this.options
    const address = storageAddress(0, replica)
    return { ...CONFIG, replica, listen: address, http: address, segmentBytes, auditMs }
  }

  private worldOf(machine: Machine, life: Life, own: Pick<NodeWorld, 'clock' | 'logFolder' | 'stateFiles'> & { host: Host }): NodeWorld {
    const { scheduler, options, watch } = this
    const { random } = scheduler
    const port = this.network.port(life.number, options.replicaCount, () => life.isAlive)
    const warn = (what: string, fields: Record<string, unknown>): void => {
      if (what.startsWith('a block is set aside')) watch.setAside(life, fields.block as number)
      watch.warned(what, fields)
    }
    let table: Engine | undefined
    return {
      ...own,
      random: random.next,
      randomHex: (bytes) => random.hex(bytes),
      network: Object.assign(port, { accept: (stream: IncomingStream) => stream.close() }),
      server: this.streams.server(own.host),
      traffic: new Traffic(options.traffic),
      complaints: new Complaints(warn, own.clock.every),
      openEngine: (given) => {
        table = this.openTable(machine, life, given)
        return this.wrapTable(life, table)
      },
      openReplica: (given) => this.openReplica(machine, life, given, table as Engine),
      dropEngine: () => Promise.reject(new Error('the simulated engine is not damaged')),
      log: { info: () => {}, warn: (fields, what) => warn(what, fields), error: () => {} },
      restart: (reason) => this.rejoins(life, machine, reason),
      fatal: (error) => this.ended(life, machine, error),
    }
  }

  private openTable(machine: Machine, { volume }: Life, { incarnation }: EngineOptions): Engine {
    const { memtableBytes, versionCacheBytes } = this.options
    const versionCachePath = this.keepVersions(machine)
    const table = openEngine(
      {
        sliceDurationMs: SLICE_MS,
        memtableBytes,
        blockCacheBytes: 0,
        versionCacheBytes,
        ...(versionCachePath === undefined ? {} : { versionCachePath }),
        incarnation,
        verifyOldRecords: true,
        hashKey: HASH_KEY,
        ...FEW_STEPS,
      },
      volume.store,
    )
    this.engines.push(table)
    return table
  }

  /** A file for the version cache of the machine's next process, with what the one before has left there. */
  private keepVersions(machine: Machine): string | undefined {
    const { versionsFolder } = this.options
    if (versionsFolder === undefined) return undefined
    // The process before, of which nothing reaches the run any more, has its own open still.
    const path = join(versionsFolder, `${this.engines.length}.versions`)
    if (machine.versions !== undefined) {
      copyFileSync(machine.versions, path)
      this.hits.keptVersions++
    }
    machine.versions = path
    return path
  }

  private wrapTable(life: Life, table: Engine): Engine {
    const { scheduler, options } = this
    return simEngine(options.wrapEngine?.(table, life.number) ?? table, {
      scheduler,
      disk: life.volume.disk,
      store: life.volume.store,
      deferred: this.deferred,
      missProbability: options.missProbability,
      isAlive: () => life.isAlive,
      willCompare: (block) => life.made?.rejoin.isPromoted(block) !== true,
      rotten: life.rotten,
      hits: this.engineHits,
    })
  }

  /** The node's replica, with the bounds of the seed; the watch sees all that it does. */
  private openReplica(machine: Machine, life: Life, given: ReplicaOptions, table: Engine): Replica {
    const { options, watch } = this
    const { volume, engine } = given
    // As long as it has no other incarnation, nothing that it voted is void.
    if (volume.incarnation.nonce !== life.found?.incarnation.nonce) this.forget(life, machine)
    life.found = volume
    const made = new Replica({
      ...given,
      retainSegments: options.retainSegments,
      limits: { maxWrites: 1000, maxWriteBytes: 1e7, maxReads: 1000, maxReadBytes: 1e7 },
      maxAnswers: options.maxAnswers,
      answerAgeMs: options.answerAgeMs,
      priority: options.isSelfFirst ? () => this.selfFirst(life.number) : given.priority,
      // All groups that a topology may name are this one.
      owns: () => true,
      onRejected: (message) => {
        if (this.isZombie(machine)) {
          this.hits.zombiesFound++
          this.end(machine)
          return
        }
        if (machine.isVoter && !machine.isDamaged) watch.rejected(life, message)
        life.isRejected = true
        given.onRejected(message)
      },
      observer: watch.observer(life, () => made, exceptRotten(engine, table, life.rotten)),
    })
    life.made = made
    const start = made.start.bind(made)
    made.start = async () => {
      await start()
      watch.serving(life, made)
      life.replica = made
      this.hits.restarts++
      if (made.replayed.cutTail) this.hits.cutTails++
    }
    const noteVoter = made.noteVoter.bind(made)
    made.noteVoter = () => {
      noteVoter()
      machine.isVoter = true
      this.hits.rejoined++
    }
    watch.starting(life, made, engine)
    return made
  }

  private selfFirst(number: number): readonly number[] {
    return [number, ...[...this.machines.keys()].filter((other) => other !== number)]
  }

  /** The process cannot go on: after a failed sync it must end; anything else is a bug, or a volume that it cannot start on. */
  private ended(life: Life, machine: Machine, error: Error): void {
    if (!life.isAlive) return
    if (isFailedSync(error)) {
      this.hits.fatalSyncs++
      this.endAndRestart(machine)
    } else if (life.replica === undefined) this.watch.refusedStart(life, error)
    else this.watch.failed(life, error)
  }

  /** The process ends itself so that the next one takes a new incarnation: that is durable. */
  private rejoins(life: Life, machine: Machine, reason: string): void {
    if (!life.isAlive) return
    if (life.isRejected !== true && !machine.isDamaged) this.watch.refusedStart(life, new Error(reason))
    this.endAndRestart(machine)
  }

  private endAndRestart(machine: Machine): void {
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

  /** The volume is to learn anew: what it voted counts no more, as if it were another. */
  private forget(life: Life, machine: Machine): void {
    this.hits.rejoins++
    machine.isVoter = false
    machine.isDamaged = false
    this.watch.crashed(life.volume)
    machine.volume = new SimVolume(this.scheduler, life.volume)
    life.volume = machine.volume
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

  /** The process dies, and, if the power is cut, with it everything that was not durable. */
  crash(number: number, isPowerCut = false): void {
    const machine = this.machines[number] as Machine
    this.end(machine)
    if (!isPowerCut) return
    this.hits.powerCuts++
    machine.versions = undefined
    machine.volume.disk.cutPower()
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

function isFailedSync(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EIO'
}
