/**
 * The storage role: one volume, one replica, its data and HTTP ports.
 *
 *     starting ──no topology yet──► joining ──the topology fills the slot with this volume──► serving ──SIGTERM──► stopping
 *        └──a stored topology──►───────┘  └──it is another's: a new incarnation──► learning ──────▲
 *
 * A fresh volume is formatted as a non-voter's; it votes only when a topology names its incarnation, or block by block
 * once it has learned (⚖15). A volume that turns out to be rolled back, replaced or damaged is marked to rejoin, and the
 * process ends: the next one takes a new incarnation and learns. Any state can become `failed`.
 */
import { join } from 'node:path'
import {
  cacheFilePrefix,
  DEFAULT_SLICE_DURATION_MS,
  type Incarnation,
  Operation,
  type Placement,
  placementOf,
  replicaOrder,
  ThermoclineError,
  type Topology,
} from '@thermocline/protocol'
import type { AdminService, BlockDigest, DataService, NodeState, NodeStatus } from '../../admin/ports.ts'
import type { NodeConfig } from '../../config.ts'
import type { Complaints } from '../../doors/complaints.ts'
import type { NodeRequest } from '../../doors/node-request.ts'
import type { Traffic } from '../../doors/traffic.ts'
import type { Engine, EngineOptions } from '../../engine/port.ts'
import type { Clock, IncomingStream, LogFolder, PeerNetwork, StateFiles, StreamServer } from '../../io/ports.ts'
import { divideMemory, type MemoryBudget } from '../../memory-budget.ts'
import { joinGroup } from '../../replica/join.ts'
import type { Replica } from '../../replica/replica.ts'
import type { ReplicaOptions } from '../../replica/replica-options.ts'
import { refuse } from '../../replica/requests.ts'
import { saveVolume, type Volume } from '../../replica/volume.ts'
import { DataServer } from '../../server/data-server.ts'
import { answerTopology, MAX_TOPOLOGY_WAIT_MS } from '../../server/topology-answer.ts'
import { VERSION } from '../../version.ts'
import { describeReplica } from './status.ts'
import { TopologyStore } from './topology-store.ts'

const ANSWER_AGE_MS = 10 * 60 * 1000
const MAX_WAITING_WRITES = 65_536
const MAX_WAITING_READS = 65_536
/** Time that requests under way get to finish at a stop. */
const DRAIN_MS = 3000
/** Whose messages broke the protocol, in complaints: a message does not say by which address it came. */
const PEERS = 'peers'
/** What fails again at every attempt is reported once in this time. */
const REPORT_AGAIN_MS = 10_000

/** The world of one node: `main` hands in the real one. */
export interface NodeWorld {
  readonly clock: Clock
  readonly random: () => number
  readonly randomHex: (bytes: number) => string
  readonly stateFiles: StateFiles
  readonly logFolder: LogFolder
  readonly network: PeerNetwork & { accept(stream: IncomingStream, first: Uint8Array, arrivedMs: number): void }
  /** The data port. */
  readonly server: StreamServer
  readonly traffic: Traffic
  readonly complaints: Complaints
  readonly openEngine: (options: EngineOptions) => Engine
  readonly openReplica: (options: ReplicaOptions) => Replica
  /** Removes the engine's folder. */
  readonly dropEngine: (path: string) => Promise<void>
  readonly log: Logger
  /** Reports and ends the process so that it is started again: the volume has to rejoin. */
  readonly restart: (reason: string) => void
  /** Reports and ends the process. */
  readonly fatal: (error: Error) => void
}

export interface Logger {
  info(fields: Record<string, unknown>, message: string): void
  warn(fields: Record<string, unknown>, message: string): void
  error(fields: Record<string, unknown>, message: string): void
}

export class StorageNode implements DataService, AdminService {
  private readonly config: NodeConfig
  private readonly world: NodeWorld
  private readonly budget: MemoryBudget
  private readonly startedMs: number
  private volume: Volume
  private readonly store: TopologyStore
  private readonly server: DataServer
  private engine: Engine | undefined
  private placement: Placement | undefined
  private readonly bootNonce: string
  private openingReplica: Promise<void> | undefined
  /** The volume has to rejoin, and other replicas have not answered yet. */
  private isWaiting = false
  replica: Replica | undefined
  state: NodeState = 'starting'
  private reason: string | undefined = 'starting'
  /** When each trouble that comes again and again was last reported. */
  private readonly reportedAtMs = new Map<string, number>()
  dataAddress = ''
  httpAddress = ''

  constructor(config: NodeConfig, world: NodeWorld, volume: Volume) {
    this.config = config
    this.world = world
    this.volume = volume
    this.bootNonce = world.randomHex(8)
    this.store = new TopologyStore(world.stateFiles, world.clock, config.clusterId, (what, fields) => world.log.warn(fields, what))
    this.server = this.makeServer()
    this.budget = divideMemory(config.memoryBytes, config.versionCacheBytes)
    this.startedMs = world.clock.nowMs()
  }

  /**
   * Listens on the data port, and serves as soon as a topology names this volume.
   * @throws ThermoclineError `corrupt`, `unsupported_version`, `port_in_use`; errors of the disk.
   */
  async start(): Promise<void> {
    await this.store.load()
    this.dataAddress = await this.server.listen(this.config.listen)
    this.state = 'joining'
    this.reason = 'no topology names this volume yet'
    await this.followTopology()
  }

  private makeServer(): DataServer {
    const { world } = this
    return new DataServer({
      clusterId: () => this.volume.clusterId,
      process: () => this.volume,
      epoch: () => this.store.epoch,
      sliceDurationMs: () => this.store.current?.sliceDurationMs ?? DEFAULT_SLICE_DURATION_MS,
      submit: (request) => this.submit(request),
      traffic: world.traffic,
      complain: (source, what, fields) => world.complaints.report(source, what, fields),
      clock: world.clock,
      server: world.server,
      onPeer: (stream, first, arrivedMs) => world.network.accept(stream, first, arrivedMs),
    })
  }

  // ── Topology ────────────────────────────────────────────────────────────────────────────────────────────────────

  topology(): Topology | undefined {
    return this.store.current
  }

  async installTopology(topology: Topology): Promise<void> {
    const group = topology.groups[this.config.group]
    if (group !== undefined && this.replica !== undefined && group.replicas.length !== this.replica.core.replicaCount) {
      throw new ThermoclineError(
        'invalid_argument',
        `topology.groups.${this.config.group}.replicas: ${group.replicas.length}; the number of replicas cannot change from ${this.replica.core.replicaCount}`,
      )
    }
    const { current } = this.store
    if (current !== undefined && topology.sliceDurationMs !== current.sliceDurationMs) {
      throw new ThermoclineError(
        'invalid_argument',
        `topology.sliceDurationMs: ${topology.sliceDurationMs}; it cannot change from ${current.sliceDurationMs}`,
      )
    }
    if (await this.store.install(topology)) {
      this.world.log.info({ epoch: topology.epoch }, 'a new topology is in force')
      try {
        await this.followTopology()
      } catch (error) {
        this.fail(error as Error)
        throw error
      }
    }
  }

  watchTopology(knownEpoch: number, waitMs: number, signal: AbortSignal): Promise<Topology | undefined> {
    return this.store.watch(knownEpoch, Math.min(waitMs, MAX_TOPOLOGY_WAIT_MS), signal)
  }

  /** Does what the topology in force asks of this node: learns addresses, and starts to serve once it is named. */
  private async followTopology(): Promise<void> {
    const { current } = this.store
    const group = current?.groups[this.config.group]
    if (current === undefined || group === undefined) return
    this.placement = placementOf(current.groups.length)
    this.world.network.setAddresses(group.replicas.map((replica) => replica.data))
    this.replica?.members.update()
    this.engine?.setRestoreGeneration(current.restoreGeneration)
    this.openingReplica ??= this.joinAndOpen(current, group.replicas.length)
    // A volume that has to rejoin waits for other replicas: nobody may wait for that.
    if (this.volume.rejoin === undefined && this.isNamed(this.volume.replica, this.volume.incarnation)) await this.openingReplica
    else this.openingReplica.catch((error: unknown) => this.fail(error as Error))
  }

  private isNamed(replica: number, { number, nonce }: Incarnation): boolean {
    const named = this.store.current?.groups[this.config.group]?.replicas[replica]?.incarnation
    return named?.number === number && named.nonce === nonce
  }

  private async joinAndOpen(topology: Topology, replicaCount: number): Promise<void> {
    const { world } = this
    this.volume = await joinGroup(this.volume, {
      files: world.stateFiles,
      logFolder: world.logFolder,
      network: world.network,
      replicaCount,
      randomHex: world.randomHex,
      isNamed: (replica, incarnation) => this.isNamed(replica, incarnation),
      dropEngine: () => world.dropEngine(this.enginePath),
      onWaiting: (reason) => {
        this.isWaiting = true
        this.reason = `the volume waits for the other replicas, to rejoin: ${reason}`
        world.log.warn({ reason }, 'the volume waits for the other replicas, to rejoin')
      },
    })
    this.isWaiting = false
    try {
      await this.openReplica(topology, replicaCount)
    } catch (error) {
      if (!(error instanceof ThermoclineError) || error.code !== 'corrupt') throw error
      // The engine's own damage leaves nothing to build on; the log's leaves what the engine has.
      await this.orderRejoin(error.message, this.replica === undefined && this.engine === undefined)
    }
  }

  /** Marks the volume, durably, and ends the process: nothing that it remembers counts any more. */
  private async orderRejoin(reason: string, dropEngine: boolean): Promise<void> {
    if (this.state === 'failed') return
    this.state = 'failed'
    this.reason = reason
    try {
      await saveVolume(this.world.stateFiles, { ...this.volume, rejoin: { reason, dropEngine } })
    } catch (error) {
      this.fail(new Error(`${reason}; and that could not be noted: ${(error as Error).message}`, { cause: error }))
      return
    }
    this.world.restart(reason)
  }

  /** Reports what is tried again and again, but not at every attempt. */
  private report(what: string, error: Error): void {
    const nowMs = this.world.clock.nowMs()
    if (nowMs - (this.reportedAtMs.get(what) ?? Number.NEGATIVE_INFINITY) < REPORT_AGAIN_MS) return
    this.reportedAtMs.set(what, nowMs)
    this.world.log.warn({ error: error.message }, what)
  }

  private fail(error: Error): void {
    this.state = 'failed'
    this.reason = error.message
    this.world.fatal(error)
  }

  private get enginePath(): string {
    return join(this.config.dataDir, 'engine')
  }

  private async openReplica(topology: Topology, replicaCount: number): Promise<void> {
    const { config, world, budget, volume } = this
    this.state = 'starting'
    this.reason = 'replaying the log'
    const began = world.clock.nowMs()
    const engine = world.openEngine({
      path: this.enginePath,
      sliceDurationMs: topology.sliceDurationMs,
      memtableBytes: budget.memtableBytes,
      blockCacheBytes: budget.blockCacheBytes,
      ...(config.versionCacheDir === undefined
        ? {}
        : {
            versionCachePath: join(
              config.versionCacheDir,
              `${cacheFilePrefix(volume.clusterId)}g${config.group}-r${config.replica}.versions`,
            ),
          }),
      versionCacheBytes: budget.versionCacheBytes,
      onCorrupt: (message) => void this.orderRejoin(`the tables on disk are damaged: ${message}`, true),
      onUnreadable: (error) =>
        this.report('the disk failed under the tables; what needs them is refused here, and other replicas serve it', error),
      onFull: (error) => this.report('there is no room for a block that is copied from a peer; it is tried again', error),
      onFailure: (error) => this.fail(error),
      incarnation: `${volume.clusterId}/${volume.group}/${volume.replica}/${volume.incarnation.number}:${volume.incarnation.nonce}`,
    })
    this.engine = engine
    engine.setRestoreGeneration((this.store.current ?? topology).restoreGeneration)
    const replica = this.makeReplica(engine, replicaCount)
    await replica.start()
    this.replica = replica
    this.noteStanding()
    world.log.info({ ...replica.replayed, replayMs: Math.round(world.clock.nowMs() - began) }, `the log is replayed; ${this.state}`)
  }

  private noteStanding(): void {
    if (this.state === 'failed') return
    const isLearning = this.volume.standing === 'learner'
    this.state = isLearning ? 'learning' : 'serving'
    this.reason = isLearning ? 'the volume is a new incarnation: it learns from the other replicas before it votes' : undefined
  }

  /** The learner votes in every block again: that is durable in the log, and from now on in the volume's file. */
  private async endLearning(): Promise<void> {
    // An order to rejoin stands in the file, and must stay.
    if (this.state === 'failed') return
    this.volume = await saveVolume(this.world.stateFiles, { ...this.volume, standing: 'voter' })
    this.replica?.noteVoter()
    this.noteStanding()
    this.world.log.info({}, 'every block is learned; the replica votes again')
  }

  private makeReplica(engine: Engine, replicaCount: number): Replica {
    const { config, world, budget, volume } = this
    return world.openReplica({
      volume,
      bootNonce: this.bootNonce,
      replicaCount,
      engine,
      clock: world.clock,
      random: world.random,
      randomHex: world.randomHex,
      logFolder: world.logFolder,
      network: world.network,
      segmentBytes: config.segmentBytes,
      retainSegments: Math.max(2, Math.floor(config.logBytes / config.segmentBytes)),
      limits: {
        maxWrites: MAX_WAITING_WRITES,
        maxWriteBytes: budget.writeQueueBytes,
        maxReads: MAX_WAITING_READS,
        maxReadBytes: budget.readQueueBytes,
      },
      maxAnswers: budget.answers,
      answerAgeMs: ANSWER_AGE_MS,
      auditMs: config.auditMs,
      priority: (block) => replicaOrder(this.placement?.slot[block] ?? 0, replicaCount),
      owns: (block) => this.placement?.owner[block] === config.group,
      epoch: () => this.store.epoch,
      isNamed: (replica, incarnation) => this.isNamed(replica, incarnation),
      onEpochSeen: (epoch) => world.log.info({ epoch }, 'a peer has a newer topology'),
      warn: (what, fields) => world.log.warn(fields, what),
      violated: (what) => world.complaints.report(PEERS, 'a peer broke the protocol; its message was ignored', { what }),
      fatal: (error) => this.fail(error),
      onRejected: (message) => void this.orderRejoin(message, false),
      onComplete: () => void this.endLearning().catch((error: unknown) => this.fail(error as Error)),
    })
  }

  // ── Requests ────────────────────────────────────────────────────────────────────────────────────────────────────

  submit(request: NodeRequest): void {
    if (request.operation === Operation.topology) answerTopology(request, (epoch, waitMs) => this.store.watch(epoch, waitMs, undefined))
    else if (this.replica === undefined) refuse(request, 'unavailable', 0, `the node is ${this.state}: ${this.reason ?? ''}`)
    else this.replica.requests.submit(request)
  }

  digests(): BlockDigest[] {
    const { replica, engine } = this
    if (replica === undefined || engine === undefined) return []
    return replica.core.known
      .filter((state) => state.chosen > 0 && !state.isSetAside)
      .map(({ block }) => ({ block, index: engine.appliedIndex(block), digest: engine.digest(block) }))
      .sort((a, b) => a.block - b.block)
  }

  async setVolumeAside(): Promise<string> {
    throw new ThermoclineError('invalid_argument', 'the volume is this replica’s own, and stays where it is')
  }

  status(): NodeStatus {
    const { config, volume, replica, world } = this
    return {
      role: 'storage',
      version: VERSION,
      state: this.state,
      reason: this.reason,
      clusterId: config.clusterId,
      group: config.group,
      replica: config.replica,
      incarnation: volume.incarnation,
      boot: volume.boot,
      standing: volume.standing,
      mode: this.state === 'serving' ? 'Voter' : this.state === 'learning' ? 'LearnerOnly' : 'Unknown',
      epoch: this.store.epoch,
      uptimeMs: Math.round(world.clock.nowMs() - this.startedMs),
      addresses: { data: this.dataAddress, http: this.httpAddress },
      ...describeReplica(replica, this.engine, { clients: this.server.clients, traffic: world.traffic }),
      memory: { limitBytes: config.memoryBytes, rssBytes: process.memoryUsage.rss() },
    }
  }

  /** Drains, flushes, closes. */
  async stop(): Promise<void> {
    this.state = 'stopping'
    this.reason = 'asked to stop'
    this.store.releaseWatchers()
    // A volume that waits for other replicas may do so for ever, and has nothing to save.
    if (!this.isWaiting) await this.openingReplica?.catch(() => {})
    await this.replica?.stop(DRAIN_MS)
    await this.server.close()
  }
}
