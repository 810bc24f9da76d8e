/**
 * The storage role: one volume, one replica, its data and HTTP ports.
 *
 *     starting ──no topology names this volume──► joining ──a topology does──► serving ──SIGTERM──► stopping
 *        └──────────────a stored topology does──────────────────────────────────▲         any ──► failed
 *
 * A fresh volume is formatted as a non-voter's; it votes only when a topology names its incarnation (⚖15).
 */
import { join } from 'node:path'
import {
  DEFAULT_SLICE_DURATION_MS,
  ERRORS,
  Operation,
  type Placement,
  placementOf,
  replicaOrder,
  ThermoclineError,
  type Topology,
} from '@thermocline/protocol'
import type { AdminService, BlockDigest, DataService, NodeState, NodeStatus } from '../../admin/ports.ts'
import type { NodeConfig } from '../../config.ts'
import type { Engine, EngineOptions } from '../../engine/port.ts'
import type { Clock, LogFolder, PeerNetwork, StateFiles } from '../../io/ports.ts'
import { writeFailure } from '../../kv/answers.ts'
import { divideMemory, type MemoryBudget } from '../../memory-budget.ts'
import type { ReplyTarget } from '../../paxos/pending.ts'
import { Replica } from '../../replica/replica.ts'
import type { Volume } from '../../replica/volume.ts'
import { DataServer } from '../../server/data-server.ts'
import { VERSION } from '../../version.ts'
import { describeReplica } from './status.ts'
import { TopologyStore } from './topology-store.ts'

/** Log segments are this large. */
const SEGMENT_BYTES = 16 * 1024 * 1024
const ANSWER_AGE_MS = 10 * 60 * 1000
const MAX_WAITING_WRITES = 65_536
const MAX_WAITING_READS = 65_536
/** Time that requests under way get to finish at a stop. */
const DRAIN_MS = 3000
const MAX_TOPOLOGY_WAIT_MS = 60_000

/** The world of one node: `main` hands in the real one. */
export interface NodeWorld {
  readonly clock: Clock
  readonly random: () => number
  readonly randomHex: (bytes: number) => string
  readonly stateFiles: StateFiles
  readonly logFolder: LogFolder
  readonly network: PeerNetwork & { accept(socket: import('node:net').Socket, first: Uint8Array): void }
  readonly openEngine: (options: EngineOptions) => Engine
  readonly log: Logger
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
  private readonly volume: Volume
  private readonly store: TopologyStore
  private readonly server: DataServer
  private engine: Engine | undefined
  private placement: Placement | undefined
  private readonly bootNonce: string
  private openingReplica: Promise<void> | undefined
  replica: Replica | undefined
  state: NodeState = 'starting'
  private reason: string | undefined = 'starting'
  dataAddress = ''
  httpAddress = ''

  constructor(config: NodeConfig, world: NodeWorld, volume: Volume) {
    this.config = config
    this.world = world
    this.volume = volume
    this.bootNonce = world.randomHex(8)
    this.store = new TopologyStore(world.stateFiles, config.clusterId)
    this.server = this.makeServer()
    this.budget = divideMemory(config.memoryBytes)
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
    const { world, volume } = this
    return new DataServer({
      clusterId: () => volume.clusterId,
      process: () => volume,
      epoch: () => this.store.epoch,
      sliceDurationMs: () => this.store.current?.sliceDurationMs ?? DEFAULT_SLICE_DURATION_MS,
      submit: (operation, body, timeoutMs, target, token) => this.submit(operation, body, timeoutMs, target, token),
      warn: (what, fields) => world.log.warn(fields, what),
      onPeer: (socket, first) => world.network.accept(socket, first),
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
      await this.followTopology()
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
    if (!this.isNamed({ replica: this.volume.replica, ...this.volume.incarnation })) {
      this.reason = `topology epoch ${current.epoch} names another volume for group ${this.config.group} replica ${this.config.replica}`
      this.replica?.updateMembers()
      return
    }
    if (this.replica !== undefined) this.replica.updateMembers()
    else {
      this.openingReplica ??= this.openReplica(current, group.replicas.length)
      await this.openingReplica
    }
  }

  private isNamed({ replica, number, nonce }: { replica: number; number: number; nonce: string }): boolean {
    const named = this.store.current?.groups[this.config.group]?.replicas[replica]?.incarnation
    return named?.number === number && named.nonce === nonce
  }

  private async openReplica(topology: Topology, replicaCount: number): Promise<void> {
    const { config, world, budget, volume } = this
    this.state = 'starting'
    this.reason = 'replaying the log'
    const began = world.clock.nowMs()
    const engine = world.openEngine({
      path: join(config.dataDir, 'engine'),
      sliceDurationMs: topology.sliceDurationMs,
      memtableBytes: budget.memtableBytes,
      blockCacheBytes: budget.blockCacheBytes,
      ...(config.versionCacheDir === undefined
        ? {}
        : {
            versionCachePath: join(
              config.versionCacheDir,
              `thermocline-${volume.clusterId.slice(0, 12)}-g${config.group}-r${config.replica}.versions`,
            ),
          }),
      versionCacheBytes: budget.versionCacheBytes,
      incarnation: `${volume.clusterId}/${volume.group}/${volume.replica}/${volume.incarnation.number}:${volume.incarnation.nonce}`,
    })
    this.engine = engine
    const replica = this.makeReplica(engine, replicaCount)
    await replica.start()
    this.replica = replica
    this.state = 'serving'
    this.reason = undefined
    world.log.info({ ...replica.replayed, replayMs: Math.round(world.clock.nowMs() - began) }, 'the log is replayed; serving')
  }

  private makeReplica(engine: Engine, replicaCount: number): Replica {
    const { config, world, budget, volume } = this
    return new Replica({
      volume,
      bootNonce: this.bootNonce,
      replicaCount,
      engine,
      clock: world.clock,
      random: world.random,
      logFolder: world.logFolder,
      network: world.network,
      segmentBytes: SEGMENT_BYTES,
      retainSegments: Math.max(2, Math.floor(config.logBytes / SEGMENT_BYTES)),
      limits: { maxWrites: MAX_WAITING_WRITES, maxWriteBytes: budget.queueBytes, maxReads: MAX_WAITING_READS },
      maxAnswers: budget.blockAnswers,
      answerAgeMs: ANSWER_AGE_MS,
      priority: (block) => replicaOrder(this.placement?.slot[block] ?? 0, replicaCount),
      owns: (block) => this.placement?.owner[block] === config.group,
      epoch: () => this.store.epoch,
      isNamed: (process) => this.isNamed(process),
      onEpochSeen: (epoch) => world.log.info({ epoch }, 'a peer has a newer topology'),
      warn: (what, fields) => world.log.warn(fields, what),
      fatal: (error) => {
        this.state = 'failed'
        this.reason = error.message
        world.fatal(error)
      },
      onRejected: (message) => {
        this.state = 'failed'
        this.reason = message
        world.log.error({ reason: message }, 'a peer refuses this volume; it does not vote')
      },
    })
  }

  // ── Requests ────────────────────────────────────────────────────────────────────────────────────────────────────

  private submit(operation: number, body: Uint8Array, timeoutMs: number, target: ReplyTarget, token: number): void {
    if (operation === Operation.topology) this.answerTopology(body, target, token)
    else if (this.replica === undefined)
      target.reply(token, ERRORS.unavailable.number, writeFailure(0, 0, `the node is ${this.state}: ${this.reason ?? ''}`))
    else this.replica.submit(operation, body, timeoutMs, target, token)
  }

  private answerTopology(body: Uint8Array, target: ReplyTarget, token: number): void {
    if (body.length !== 8) {
      target.reply(token, ERRORS.invalid_argument.number, writeFailure(0, 0, `topology: the body has ${body.length} bytes; expected 8`))
      return
    }
    const view = new DataView(body.buffer, body.byteOffset, 8)
    const waitMs = Math.min(view.getUint32(4, true), MAX_TOPOLOGY_WAIT_MS)
    void this.store
      .watch(view.getUint32(0, true), waitMs, undefined)
      .then((topology) =>
        target.reply(token, 0, topology === undefined ? new Uint8Array(0) : new TextEncoder().encode(JSON.stringify(topology))),
      )
  }

  execute(operation: number, body: Uint8Array, timeoutMs: number): Promise<{ error: number; body: Uint8Array }> {
    return new Promise((resolve) => {
      this.submit(operation, body, timeoutMs, { reply: (_token, error, answer) => resolve({ error, body: answer.slice() }) }, 0)
    })
  }

  digests(): BlockDigest[] {
    const { replica, engine } = this
    if (replica === undefined || engine === undefined) return []
    return replica.core.known
      .filter((state) => state.chosen > 0)
      .map(({ block }) => ({ block, index: engine.appliedIndex(block), digest: engine.digest(block) }))
      .sort((a, b) => a.block - b.block)
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
      mode: this.state === 'serving' ? 'Voter' : 'Unknown',
      epoch: this.store.epoch,
      uptimeMs: Math.round(world.clock.nowMs() - this.startedMs),
      addresses: { data: this.dataAddress, http: this.httpAddress },
      ...describeReplica(replica, this.engine, this.server.clients),
      memory: { limitBytes: config.memoryBytes, rssBytes: process.memoryUsage.rss() },
    }
  }

  /** Drains, flushes, closes. */
  async stop(): Promise<void> {
    this.state = 'stopping'
    this.reason = 'asked to stop'
    this.store.releaseWatchers()
    await this.openingReplica?.catch(() => {})
    await this.replica?.stop(DRAIN_MS)
    await this.server.close()
  }
}
