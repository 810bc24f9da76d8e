/**
 * The memory role: a cache of the storage tier whose every read is validated there, and a client of it. It holds nothing
 * that counts: killed, it costs latency.
 *
 *     starting ──the storage tier gives its topology──► warming ──peers gave what is hot──► serving ──SIGTERM──► stopping
 *
 * While it warms it serves whoever asks already; it is not ready.
 *
 * Requests gather in the tier while validations are on their way (validation-lane.ts).
 */
import { join } from 'node:path'
import type { Client } from '@thermocline/client'
import {
  type ByteReader,
  cacheFilePrefix,
  DecodeError,
  ERRORS,
  Operation,
  type ProcessId,
  placementOf,
  ThermoclineError,
  type Topology,
} from '@thermocline/protocol'
import type { NodeRequest } from '../../doors/node-request.ts'
import { sourceOf } from '../../doors/source.ts'
import type { Traffic } from '../../doors/traffic.ts'
import { abortAfter } from '../../io/abort-after.ts'
import { writeFailure } from '../../kv/answers.ts'
import type { Connection } from '../../server/connection.ts'
import { DataServer } from '../../server/data-server.ts'
import { answerTopology } from '../../server/topology-answer.ts'
import { LANES, type Tier } from '../../tier/tier.ts'
import type { MemoryConfig } from './config.ts'
import { ValidationLane } from './validation-lane.ts'
import { ValidationTimes } from './validation-times.ts'
import { WarmUp, type WarmUpState } from './warm-up.ts'
import type { MemoryWorld } from './world.ts'

const VALIDATE_TIMEOUT_MS = 4000
const CONNECT_TIMEOUT_MS = 10_000
const CONNECT_AGAIN_MS = 500
/** Beyond, whoever would wait for a newer topology is told at once that there is none. */
const MAX_WATCHERS = 4096
/** In a validation's body: generation, patience and count come before the block of the first series. */
const FIRST_BLOCK_AT = 7
/** Time that requests under way get to finish at a stop. */
const DRAIN_MS = 1000
const DRAIN_LOOK_MS = 10
/** Where the storage tier has not said when to ask again. */
const RETRY_AFTER_MS = 50

export class MemoryNode {
  private readonly config: MemoryConfig
  private readonly world: MemoryWorld
  private readonly server: DataServer
  private readonly process: ProcessId
  private openTier: Tier | undefined
  private readonly warmingUp: WarmUp
  private client: Client | undefined
  private current: Topology | undefined
  private readonly numbers = new Map<Connection, number>()
  private readonly connections = new Map<number, Connection>()
  private nextNumber = 1
  private readonly startedMs: number
  /** By storage group and lane. */
  private readonly lanes: ValidationLane[] = []
  private replicas = 1
  /** Callers that wait for a newer topology. */
  private watchers = 0
  private isPumpDue = false
  /** For what waits although nothing has to end first. */
  private look: { cancel: () => void; atMs: number } | undefined
  private isStopping = false
  readonly validationTimes = new ValidationTimes()
  failedValidations = 0
  /** Gets and scans refused before the tier had them. */
  refusedUntaken = 0
  private readonly stopped = new AbortController()
  /** Of the tier that is open. */
  private closed = new AbortController()
  dataAddress = ''
  httpAddress = ''

  constructor(config: MemoryConfig, world: MemoryWorld) {
    this.config = config
    this.world = world
    this.startedMs = world.clock.nowMs()
    // Memory nodes have no volume: a process is its own incarnation.
    this.process = {
      group: config.group,
      replica: config.machine,
      incarnation: { number: 0, nonce: world.randomHex(8) },
      boot: 1,
    }
    this.warmingUp = new WarmUp(world)
    this.server = new DataServer({
      clusterId: () => config.clusterId,
      process: () => this.process,
      epoch: () => this.current?.epoch ?? 0,
      sliceDurationMs: () => this.current?.sliceDurationMs ?? 0,
      warmUpLeftMs: () => this.warmingUp.now().leftMs,
      submit: (request) => this.submit(request),
      takeFrame: (connection, reader, count) => this.takeFrame(connection, reader, count),
      traffic: world.traffic,
      complain: (source, what, fields) => world.complaints.report(source, what, fields),
      clock: world.clock,
      server: world.server,
      onPeer: (stream) => {
        world.complaints.report(sourceOf(stream.remoteAddress), 'a peer of a storage group asked a memory node', {})
        stream.close()
      },
      onClosed: (connection) => this.forget(connection),
    })
  }

  get state(): 'starting' | 'warming' | 'serving' | 'stopping' {
    if (this.isStopping) return 'stopping'
    if (this.openTier === undefined) return 'starting'
    return this.warmingUp.isPrefetching ? 'warming' : 'serving'
  }

  warmUp(): WarmUpState {
    return this.warmingUp.now()
  }

  /** Names this process. */
  get nonce(): string {
    return this.process.incarnation.nonce
  }

  get tier(): Tier | undefined {
    return this.openTier
  }

  /** Whose pages the cache holds; undefined before that is known. */
  get owner(): string | undefined {
    return this.current === undefined ? undefined : this.ownerOf(this.current)
  }

  /**
   * Listens on the data port, and serves once the storage tier has told its topology.
   * @throws ThermoclineError `port_in_use`, `disk_full`, `locked`, `wrong_cluster`.
   */
  async start(): Promise<void> {
    this.dataAddress = await this.server.listen(this.config.listen)
    const client = await this.connect()
    if (client === undefined) return
    this.client = client
    this.install(client.topology())
    void this.followTopology(client)
  }

  private async connect(): Promise<Client | undefined> {
    const { clusterId, storage, group, machine } = this.config
    while (!this.isStopping) {
      try {
        return await this.world.connect({
          endpoints: storage,
          clusterId,
          name: `memory g${group}-${machine}`,
          connectTimeoutMs: CONNECT_TIMEOUT_MS,
          signal: this.stopped.signal,
        })
      } catch (error) {
        if (this.isStopping) return undefined
        if (!(error instanceof ThermoclineError) || error.code !== 'unavailable') throw error
        this.world.log.warn({ error: error.message }, 'the storage tier does not answer; it is asked again')
        await this.pause(CONNECT_AGAIN_MS)
      }
    }
    return undefined
  }

  private async followTopology(client: Client): Promise<void> {
    for await (const topology of client.watchTopology({ signal: this.stopped.signal })) this.install(topology)
  }

  private install(topology: Topology): void {
    const before = this.current
    if (topology.epoch <= (before?.epoch ?? 0)) return
    this.current = topology
    if (before !== undefined && this.ownerOf(before) !== this.ownerOf(topology)) this.forgetAll()
    if (this.openTier === undefined) {
      this.openTier = this.open(topology)
      if (this.openTier.stats().warm === 1) this.warmingUp.skip()
      else void this.warm(this.openTier, topology)
    }
    const groups = topology.groups.length
    this.openTier.setOwners(placementOf(groups).owner, groups)
    this.openTier.setNewerThan(topology.memory?.newerThanMs ?? 0)
    while (this.lanes.length < groups * LANES) this.lanes.push(new ValidationLane(this.lanes.length % LANES))
    this.replicas = topology.groups[0]?.replicas.length ?? 1
    this.world.log.info({ epoch: topology.epoch }, 'a new topology is in force')
  }

  private ownerOf({ sliceDurationMs, restoreGeneration }: Topology): string {
    return `${this.config.clusterId}/${sliceDurationMs}/${restoreGeneration}`
  }

  private open(topology: Topology): Tier {
    const { clusterId, group, machine, cacheBytes, cacheDir } = this.config
    const name = `${cacheFilePrefix(clusterId)}m${group}-${machine}.pages`
    return this.world.openTier({
      path: cacheDir === undefined ? undefined : join(cacheDir, name),
      owner: this.ownerOf(topology),
      cacheBytes,
      boot: Number.parseInt(this.world.randomHex(4), 16),
      sliceDurationMs: topology.sliceDurationMs,
      restoreGeneration: topology.restoreGeneration,
    })
  }

  /** The cluster has another history now. Who waits here asks again, elsewhere or anew. */
  private forgetAll(): void {
    this.world.log.warn({}, 'the cluster was restored: the cache begins anew')
    this.server.dropClients('the cluster was restored; ask again')
    this.closeTier()
    this.lanes.length = 0
  }

  /** Machines of the same group hold the same; where there are none, others may have held these blocks before. */
  private async warm(tier: Tier, { memory, ...topology }: Topology): Promise<void> {
    const { group, prefetch } = this.config
    const groups = memory?.groups ?? []
    const own = groups[group] ?? []
    const peers = own.length > 1 || groups.length < 2 ? own : groups.flat()
    const plan = {
      owner: this.ownerOf(topology),
      asker: this.nonce,
      groups: Math.max(groups.length, group + 1),
      group,
      peers: prefetch ? peers.map(({ http }) => http) : [],
      warmUpMs: memory?.warmUpMs ?? 0,
    }
    await this.warmingUp.run(tier, plan, this.closed.signal)
  }

  // ── Requests ────────────────────────────────────────────────────────────────────────────────────────────────────

  private takeFrame(connection: Connection, reader: ByteReader, count: number): void {
    const tier = this.openTier
    if (tier === undefined || this.isStopping || hasOthers(reader, count)) {
      connection.takeRequests(reader, count)
      return
    }
    const { bytes, at, end } = reader
    // Of a malformed frame, what came before the fault waits all the same.
    this.pumpSoon()
    try {
      tier.take(this.numberOf(connection), bytes, at, end - at, count, this.nowSeconds())
    } catch (error) {
      if ((error as { code?: string }).code === 'bad_frame') throw new DecodeError((error as Error).message)
      throw error
    }
    reader.skip(end - at)
  }

  private numberOf(connection: Connection): number {
    let number = this.numbers.get(connection)
    if (number === undefined) {
      number = this.nextNumber++
      this.numbers.set(connection, number)
      this.connections.set(number, connection)
    }
    return number
  }

  private forget(connection: Connection): void {
    const number = this.numbers.get(connection)
    if (number === undefined) return
    this.numbers.delete(connection)
    this.connections.delete(number)
    this.openTier?.forget(number)
  }

  /** What the tier does not take. */
  private submit(request: NodeRequest): void {
    const { operation } = request
    if (operation === Operation.topology) answerTopology(request, (epoch, waitMs) => this.watchTopology(epoch, waitMs, this.stopped.signal))
    else if (operation === Operation.get || operation === Operation.scan) {
      this.refusedUntaken++
      request.reply(ERRORS.unavailable.number, writeFailure(0, 0, `the memory node is ${this.state}`))
    } else request.reply(ERRORS.wrong_role.number, writeFailure(0, 0, 'the memory tier answers gets and scans alone'))
  }

  /** Resolves when an epoch above that is in force, or with undefined after `waitMs` or on abort. */
  async watchTopology(epoch: number, waitMs: number, aborted: AbortSignal): Promise<Topology | undefined> {
    if ((this.current?.epoch ?? 0) > epoch) return this.current
    if (this.client === undefined || this.watchers >= MAX_WATCHERS) return undefined
    const { signal, cancel } = abortAfter(this.world.clock, waitMs, this.stopped.signal, aborted)
    this.watchers++
    try {
      for await (const topology of this.client.watchTopology({ signal })) if (topology.epoch > epoch) return topology
    } finally {
      cancel()
      this.watchers--
    }
    return undefined
  }

  // ── Validations ─────────────────────────────────────────────────────────────────────────────────────────────────

  /** After all sockets of this turn of the event loop have been read, so that what came together travels together. */
  private pumpSoon(): void {
    if (this.isPumpDue) return
    this.isPumpDue = true
    this.world.clock.soon(this.onPumpDue)
  }

  private readonly onPumpDue = (): void => {
    this.isPumpDue = false
    this.pump()
    this.flush()
  }

  private pump(): void {
    const tier = this.openTier
    if (tier === undefined) return
    const nowMs = this.world.clock.nowMs()
    for (let slot = 0; slot < this.lanes.length; slot++) {
      const lane = slot % LANES
      const group = (slot - lane) / LANES
      const state = this.lanes[slot] as ValidationLane
      for (let waiting = tier.waiting(group, lane); waiting > 0; waiting = tier.waiting(group, lane)) {
        const waitMs = state.waitMs(waiting, nowMs)
        if (waitMs > 0) {
          this.lookAgain(nowMs, waitMs)
          break
        }
        const begun = tier.begin(group, lane, this.nowSeconds())
        if (begun === undefined) break
        state.begin(waiting - tier.waiting(group, lane), nowMs)
        void this.validate(state, { group, lane, beganMs: nowMs }, begun.number, begun.body.slice())
      }
    }
  }

  /** Something waits that may begin by then, if nothing brings the next look sooner. */
  private lookAgain(nowMs: number, waitMs: number): void {
    const atMs = nowMs + waitMs
    if (atMs === Number.POSITIVE_INFINITY || (this.look !== undefined && this.look.atMs <= atMs)) return
    this.look?.cancel()
    const cancel = this.world.clock.after(Math.ceil(waitMs), () => {
      this.look = undefined
      this.pumpSoon()
    })
    this.look = { cancel, atMs }
  }

  private async validate(state: ValidationLane, { group, lane, beganMs }: Way, number: number, body: Uint8Array): Promise<void> {
    const block = (body[FIRST_BLOCK_AT] as number) | ((body[FIRST_BLOCK_AT + 1] as number) << 8)
    const tier = this.openTier as Tier
    const isOpen = (): boolean => this.openTier === tier
    // One replica for all of a group's, another one for each machine: its rounds are few and large.
    const replica = (group + this.config.machine) % this.replicas
    try {
      const answer = await (this.client as Client).validate(body, block, replica, { timeoutMs: VALIDATE_TIMEOUT_MS })
      if (isOpen()) tier.finish(number, answer, this.nowSeconds())
    } catch (error) {
      this.failedValidations++
      if (isOpen()) this.failed(tier, number, error)
    }
    this.validationTimes.note(lane, this.world.clock.nowMs() - beganMs)
    state.end()
    if (isOpen()) this.pumpSoon()
  }

  /** The storage tier did not answer: whoever waits asks it himself, unless it has too much to do already. */
  private failed(tier: Tier, number: number, error: unknown): void {
    if (error instanceof ThermoclineError) {
      const isOverloaded = error.code === 'overloaded'
      const message = `the storage tier: ${error.code}: ${error.message}`
      tier.fail(number, isOverloaded ? 'overloaded' : 'unavailable', message, isOverloaded ? (error.retryAfterMs ?? RETRY_AFTER_MS) : 0)
    } else if ((error as { code?: string }).code === 'bad_frame')
      this.world.log.warn({ error: String(error) }, 'an answer to a validation is malformed')
    else throw error
  }

  private flush(): void {
    const tier = this.openTier
    if (tier === undefined) return
    const epoch = this.current?.epoch ?? 0
    for (const number of tier.dirty()) this.connections.get(number)?.send(tier.flush(number, epoch))
  }

  private nowSeconds(): number {
    return Math.floor(this.world.clock.wallMs() / 1000)
  }

  // ── The rest ────────────────────────────────────────────────────────────────────────────────────────────────────

  uptimeMs(): number {
    return this.world.clock.nowMs() - this.startedMs
  }

  wallMs(): number {
    return this.world.clock.wallMs()
  }

  topology(): Topology | undefined {
    return this.current
  }

  stats(): ReturnType<Tier['stats']> | undefined {
    return this.openTier?.stats()
  }

  get clients(): number {
    return this.server.clients
  }

  get traffic(): Traffic {
    return this.world.traffic
  }

  async stop(): Promise<void> {
    if (this.isStopping) return
    this.isStopping = true
    const untilMs = this.world.clock.nowMs() + DRAIN_MS
    while ((this.openTier?.stats().waiting ?? 0) > 0 && this.world.clock.nowMs() < untilMs) await this.pause(DRAIN_LOOK_MS)
    // What was answered in this turn.
    this.flush()
    this.stopped.abort()
    await this.server.close()
    await this.client?.close()
    this.closeTier()
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.world.clock.after(ms, resolve))
  }

  /** What still comes for it finds none. */
  private closeTier(): void {
    const tier = this.openTier
    this.openTier = undefined
    this.look?.cancel()
    this.look = undefined
    this.closed.abort()
    this.closed = new AbortController()
    tier?.close()
  }
}

/** Of a validation. */
interface Way {
  readonly group: number
  readonly lane: number
  readonly beganMs: number
}

/** Something else than gets and scans among the requests? */
function hasOthers(reader: ByteReader, count: number): boolean {
  let at = reader.at
  for (let left = count; left > 0; left--) {
    if (at + 13 > reader.end) return true
    const operation = reader.bytes[at + 8] as number
    if (operation !== Operation.get && operation !== Operation.scan) return true
    at += 13 + reader.view.getUint32(at + 9, true)
  }
  return false
}
