/**
 * Takes every call from start to end, once the first topology is installed: stamp, route, send, and, when an attempt
 * fails, decide what is next.
 *
 * Routes: block → group by the placement table of the topology's group count → replicas in the block's priority order;
 * the first live one that this round has not tried. When all were tried, the next round begins after a jittered pause.
 * A replica that failed gets one call as a trial when its demotion ends; the others follow once that is answered.
 *
 * What an attempt that failed means: refusals that the error table calls retryable say that this attempt did nothing. A
 * lost connection, an attempt that timed out and the codes of outcome `maybe` leave its fate open; since every attempt of
 * a write carries the same request id and stamp, asking again is safe, and the first answer, whichever attempt it
 * belongs to, is the answer. An attempt's time runs from when it is queued, and anew from when it is sent: a replica that
 * hangs with its connection open never gives back the room of what was sent to it, and what waits for that has to go on
 * elsewhere. A call to a replica that has said nothing since it was sent asks the next one, too, within a budget. A call ends at
 * the latest at its deadline. Longer than most files, because every step that a call can take
 * stands here.
 */
import {
  type ByteReader,
  type Clock,
  ERRORS,
  type ErrorBody,
  type ErrorCode,
  errorCodeOf,
  type HelloOk,
  ONLY_THIS_BLOCK,
  type Placement,
  placementOf,
  readErrorBody,
  replicaOrder,
  type ThermoclineError,
  type Topology,
} from '@thermocline/protocol'
import { type Call, type CallOwner, Phase } from './call.ts'
import { StampsCall, ValidateCall, WriteCall } from './calls.ts'
import type { Connection, ConnectionEvents } from './connection.ts'
import { BACKOFF_BASE_MS, BACKOFF_CAP_MS, HEDGE_MS, MAX_ATTEMPT_TIMEOUT_MS, MAX_OPEN_CALLS, MAX_RESTAMPS, STALL_MS } from './constants.ts'
import { Endpoint } from './endpoint.ts'
import { MemoryRoutes } from './memory-routes.ts'
import { RetryBudget } from './retry-budget.ts'
import { StampBook } from './stamp-book.ts'
import { TimerWheel } from './timer-wheel.ts'
import type { ClientWorld } from './world.ts'

export interface DispatcherOptions {
  readonly name: string
  readonly attemptTimeoutMs: number
  readonly world: ClientWorld
  /** 32 hexadecimal digits, zeros for any. */
  clusterId: string
  /** A reply named an epoch that is newer than the one in use. */
  onNewerEpoch(epoch: number, endpoint: Endpoint | undefined): void
  nextCounter(): number
}

/** What has happened since the client was made. */
export interface ClientStats {
  /** Attempts put on a wire; more than calls when there were retries. */
  requestsSent: number
  /** Attempts after the first of a call. */
  retries: number
  connectionsLost: number
  /** Attempts whose time was over, those included that still waited to be sent. */
  attemptTimeouts: number
  /** Attempts begun before the one before them had ended, because its replica said nothing. */
  hedges: number
}

export class Dispatcher implements CallOwner, ConnectionEvents {
  readonly wheel: TimerWheel
  readonly stamps = new StampBook()
  readonly endpoints = new Map<string, Endpoint>()
  readonly stats: ClientStats = { requestsSent: 0, retries: 0, connectionsLost: 0, attemptTimeouts: 0, hedges: 0 }
  topology: Topology | undefined
  private readonly memory: MemoryRoutes
  private readonly budget = new RetryBudget()
  private placement: Placement | undefined
  private replicas: Endpoint[][] = []
  private replicaCount = 0
  private readonly options: DispatcherOptions
  private readonly clock: Clock
  private dirty: Connection[] = []
  private readonly tied = new Map<AbortSignal, { readonly calls: Set<Call>; readonly onAbort: () => void }>()
  private tickIsSet: boolean = false
  private closed: boolean = false

  constructor(options: DispatcherOptions) {
    this.options = options
    this.clock = options.world.clock
    this.wheel = new TimerWheel(this.clock)
    this.memory = new MemoryRoutes(options.world)
  }

  /** Starts a call of a caller. */
  start(call: Call, signal: AbortSignal | undefined): void {
    if (this.closed) {
      this.end(call, 'cancelled', 'the client is closed')
      return
    }
    if (signal?.aborted === true) {
      this.end(call, 'cancelled', 'the signal was aborted already')
      return
    }
    if (this.wheel.size >= MAX_OPEN_CALLS) {
      this.end(call, 'overloaded', `this client has ${MAX_OPEN_CALLS} open calls`)
      return
    }
    if (signal !== undefined) this.tie(call, signal)
    if (this.memory.takes(call)) call.memoryTried = 0
    this.proceed(call)
  }

  /** One listener per signal, however many calls share it. */
  private tie(call: Call, signal: AbortSignal): void {
    let tied = this.tied.get(signal)
    if (tied === undefined) {
      const calls = new Set<Call>()
      const onAbort = () => {
        this.tied.delete(signal)
        for (const one of calls) this.end(one, 'cancelled', 'the signal was aborted')
      }
      signal.addEventListener('abort', onAbort, { once: true })
      tied = { calls, onAbort }
      this.tied.set(signal, tied)
    }
    const { calls, onAbort } = tied
    calls.add(call)
    call.untie = () => {
      calls.delete(call)
      if (calls.size > 0 || this.tied.get(signal)?.calls !== calls) return
      this.tied.delete(signal)
      signal.removeEventListener('abort', onAbort)
    }
  }

  /** Starts a call that asks one endpoint only, once. */
  startAt(endpoint: Endpoint, call: Call): void {
    if (this.closed) {
      this.end(call, 'cancelled', 'the client is closed')
      return
    }
    this.wheel.set(call, call.deadlineMs)
    endpoint.submit(call)
  }

  /** Sends a call on its way: for a write, after it has its stamp. */
  private proceed(call: Call): void {
    if (call instanceof WriteCall && call.stamp < 0) {
      call.stamp = this.stamps.of(call.block)
      if (call.stamp < 0) {
        call.phase = Phase.stamp
        this.wheel.set(call, call.deadlineMs)
        if (this.stamps.wait(call)) this.setTick()
        return
      }
    }
    this.route(call)
  }

  private route(call: Call): void {
    const nowMs = this.clock.nowMs()
    // As when it is sent, so that it does not move then.
    this.beginAttempt(call, nowMs)
    if (call.memoryTried >= 0 && this.memory.route(call, nowMs)) return
    call.memoryTried = -1
    const placement = this.placement as Placement
    const group = this.replicas[placement.owner[call.block] as number] as Endpoint[]
    if (this.isRoundOver(call)) call.tried = 0
    const chosen = this.choose(call, group, replicaOrder(placement.slot[call.block] as number, this.replicaCount), nowMs)
    call.tried |= 1 << chosen
    const endpoint = group[chosen] as Endpoint
    if (endpoint.failures > 0) endpoint.beginTrial(nowMs)
    endpoint.submit(call)
  }

  /** Wakes the call when the attempt that begins now may need another beside it, and at its end. */
  private beginAttempt(call: Call, nowMs: number): void {
    call.attemptBeganMs = nowMs
    this.wheel.set(call, Math.min(call.deadlineMs, nowMs + Math.min(HEDGE_MS, call.attemptTimeoutMs)))
  }

  /** The first that lives of those not tried in this round; if none does, the one that was demoted for the shortest time. */
  private choose({ block, preferred, tried }: Call, group: readonly Endpoint[], order: readonly number[], nowMs: number): number {
    if (preferred >= 0 && (tried & (1 << preferred)) === 0 && group[preferred]?.isLive(nowMs) && !group[preferred].learns(block, nowMs))
      return preferred
    let chosen = -1
    for (const replica of order) {
      if ((tried & (1 << replica)) !== 0) continue
      const endpoint = group[replica] as Endpoint
      if (endpoint.isLive(nowMs) && !endpoint.learns(block, nowMs)) return replica
      if (chosen < 0 || endpoint.demotedUntilMs < (group[chosen] as Endpoint).demotedUntilMs) chosen = replica
    }
    return chosen
  }

  private isRoundOver(call: Call): boolean {
    const all = (1 << this.replicaCount) - 1
    return (call.tried & all) === all
  }

  /** Tries the next replica of this round at once, or begins the next round after a pause. */
  private tryNext(call: Call): void {
    if (call.memoryTried < 0 && this.isRoundOver(call)) this.pause(call, 0)
    else this.route(call)
  }

  /**
   * `busy` is either a race, which a pause ends, or a replica that reaches no majority, which only another one cures: the
   * same replica gets a second try, then it is the next one's turn.
   */
  private onBusy(call: Call): void {
    if (call.rounds % 2 === 0) call.tried = 0
    this.pause(call, 0)
  }

  /** Goes on after at least `leastMs` and a jittered backoff, with the replicas that this round has not tried. */
  private pause(call: Call, leastMs: number): void {
    call.phase = Phase.paused
    call.connection = undefined
    const span = Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** call.rounds)
    call.rounds++
    const until = this.clock.nowMs() + leastMs + span * this.options.world.random()
    this.wheel.set(call, Math.min(until, call.deadlineMs))
  }

  // What connections report.

  onDirty(connection: Connection): void {
    this.dirty.push(connection)
    this.setTick()
  }

  onSent(call: Call, nowMs: number): void {
    this.stats.requestsSent++
    if (call.attempts > 0) this.stats.retries++
    call.attempts++
    call.unresolved++
    call.phase = Phase.sent
    this.beginAttempt(call, nowMs)
  }

  onReady(connection: Connection, ok: HelloOk): string | undefined {
    const endpoint = this.endpointOf(connection)
    const wanted = this.options.clusterId
    if (wanted !== ok.clusterId && !/^0+$/.test(wanted) && !/^0+$/.test(ok.clusterId)) {
      return `it belongs to cluster ${ok.clusterId}, not ${wanted}`
    }
    const slot = endpoint?.slot
    const isOther = slot !== undefined && slot.replica >= 0 && slot.replica !== ok.process.replica
    if (slot !== undefined && (slot.group !== ok.process.group || isOther)) {
      return `it is replica ${ok.process.replica} of group ${ok.process.group}; the topology has replica ${slot.replica} of group ${slot.group} there`
    }
    if (endpoint !== undefined) {
      endpoint.demotedUntilMs = 0
      endpoint.fullShareAtMs = this.clock.nowMs() + ok.warmUpLeftMs
    }
    this.onEpoch(connection, ok.epoch)
    return undefined
  }

  onEpoch(connection: Connection, epoch: number): void {
    if (this.topology !== undefined && epoch > this.topology.epoch) this.options.onNewerEpoch(epoch, this.endpointOf(connection))
  }

  onClosed(connection: Connection, error: ThermoclineError, calls: Call[]): void {
    this.stats.connectionsLost++
    const endpoint = this.endpointOf(connection)
    endpoint?.lost(connection, this.clock.nowMs())
    for (const call of calls) {
      call.lastFailure = error.message
      if (call.block < 0) this.end(call, error.code, error.message)
      else this.tryNext(call)
    }
  }

  onAnswer(connection: Connection, call: Call, current: boolean, error: number, reader: ByteReader): void {
    if (error === 0) {
      this.noteIndex(call, reader)
      call.answer(reader)
      this.settle(call)
      this.budget.earn()
      const endpoint = this.endpointOf(connection)
      if (endpoint !== undefined && endpoint.failures > 0) endpoint.succeeded()
      return
    }
    const code = errorCodeOf(error)
    const body = readErrorBody(reader)
    this.stamps.note(call.block, body.index)
    if (ERRORS[code].outcome === 'not') call.unresolved--
    if (current) this.onRefused(connection, call, code, body)
    else if (code === 'precondition_failed') this.endRefused(call, code, body)
  }

  /** Every answer but those about many blocks and the topology begins with the index of the call's block. */
  private noteIndex(call: Call, reader: ByteReader): void {
    if (call.block < 0 || call instanceof StampsCall || call instanceof ValidateCall) return
    const at = reader.at
    this.stamps.note(call.block, reader.u48())
    reader.at = at
  }

  /** The current attempt was answered with an error. */
  private onRefused(connection: Connection, call: Call, code: ErrorCode, body: ErrorBody): void {
    call.lastFailure = `${connection.address}: ${code}: ${body.message}`
    if (call.block < 0) {
      this.endRefused(call, code, body)
      return
    }
    // Whatever a memory node could not do, another or the storage tier can.
    if (call.memoryTried >= 0 && code !== 'invalid_argument') {
      if (code === 'not_cached') call.memoryTried = -1
      // What is too much for the memory tier would be too much for the storage tier.
      if (code === 'overloaded') this.comeAgain(call, body.argument)
      else this.tryNext(call)
      return
    }
    switch (code) {
      case 'moved':
        this.onMoved(connection, call, body)
        break
      case 'busy':
        this.onBusy(call)
        break
      case 'overloaded':
        this.pause(call, body.argument)
        break
      case 'unavailable':
        this.onUnavailable(this.endpointOf(connection), call, body)
        break
      case 'disk_full':
      case 'unknown':
      case 'deadline_exceeded':
        this.tryNext(call)
        break
      case 'expired':
        if (call instanceof WriteCall) this.onExpired(call, body)
        else this.endRefused(call, code, body)
        break
      case 'bad_stamp':
        this.stamps.forget(call.block)
        this.endRefused(call, code, body)
        break
      default:
        this.endRefused(call, code, body)
    }
  }

  /** A replica that cannot serve the block of the call is passed over: for that block alone if it says so, else for all of them. */
  private onUnavailable(endpoint: Endpoint | undefined, call: Call, body: ErrorBody): void {
    const nowMs = this.clock.nowMs()
    const isOfManyBlocks = call instanceof StampsCall || call instanceof ValidateCall
    if (body.argument === ONLY_THIS_BLOCK && !isOfManyBlocks) endpoint?.noteLearning(call.block, nowMs)
    else endpoint?.demote(nowMs)
    this.tryNext(call)
  }

  private comeAgain(call: Call, afterMs: number): void {
    call.memoryTried = 0
    this.pause(call, afterMs)
  }

  private onMoved(connection: Connection, call: Call, body: ErrorBody): void {
    if (body.argument > (this.topology?.epoch ?? 0)) this.options.onNewerEpoch(body.argument, this.endpointOf(connection))
    // A question about several blocks is not sent elsewhere as one, for they may have parted: whoever asked it asks again.
    if (call instanceof StampsCall || call instanceof ValidateCall) {
      this.end(call, 'moved', body.message)
    } else {
      call.tried = 0
      this.pause(call, 0)
    }
  }

  /**
   * The stamp is below the horizon. If an earlier attempt may have been applied, its answer is forgotten and the fate
   * unknown; otherwise nothing was, and the write starts again as a new request.
   */
  private onExpired(call: WriteCall, body: ErrorBody): void {
    if (call.unresolved > 0) {
      this.end(call, 'unknown', `${body.message}; an earlier attempt is unresolved`)
      return
    }
    if (call.restamps >= MAX_RESTAMPS) {
      this.endRefused(call, 'expired', body)
      return
    }
    call.restamps++
    call.counter = this.options.nextCounter()
    if (this.stamps.of(call.block) <= call.stamp) this.stamps.forget(call.block)
    call.stamp = -1
    call.tried = 0
    this.proceed(call)
  }

  private endRefused(call: Call, code: ErrorCode, body: ErrorBody): void {
    if (code === 'overloaded') this.end(call, code, body.message, { retryAfterMs: body.argument })
    else if (code === 'precondition_failed') {
      const found = body.argument === 0 ? 'there is no such record' : `the record has version ${body.argument}`
      this.end(call, code, `${body.message}; ${found}`, { currentVersion: body.argument })
    } else this.end(call, code, body.message)
  }

  // Time.

  wake(call: Call, nowMs: number): void {
    if (nowMs >= call.deadlineMs) this.expire(call)
    else if (call.phase === Phase.paused) this.proceed(call)
    else if (nowMs < call.attemptBeganMs + call.attemptTimeoutMs) this.onHedge(call, nowMs)
    // It still connects, or sends what is queued in this tick.
    else if (call.phase === Phase.queued && call.connection?.hasRoom()) this.beginAttempt(call, nowMs)
    else this.onAttemptTimeout(call, nowMs)
  }

  /**
   * The attempt is under way for a while. If its replica has said nothing at all since, it may be frozen: the next one is asked,
   * too, and the first answer counts. Otherwise, or if too many calls are asked twice already, the attempt goes on to its end.
   */
  private onHedge(call: Call, nowMs: number): void {
    const { connection } = call
    const isSilent = call.phase === Phase.sent && connection !== undefined && connection.lastReceivedMs < call.attemptBeganMs
    if (isSilent && call.block >= 0 && this.hasAlternative(call) && this.budget.spend()) {
      this.stats.hedges++
      call.lastFailure = `${connection.address}: nothing was heard for ${HEDGE_MS} ms`
      this.endpointOf(connection)?.demote(nowMs)
      this.tryNext(call)
    } else this.wheel.set(call, Math.min(call.deadlineMs, call.attemptBeganMs + call.attemptTimeoutMs))
  }

  /** Some replica of this round, or machine of the memory tier, was not asked. */
  private hasAlternative(call: Call): boolean {
    return call.memoryTried >= 0 || !this.isRoundOver(call)
  }

  /** The time of an attempt is over: it was sent and not answered, or waits for room on a connection that is full. */
  private onAttemptTimeout(call: Call, nowMs: number): void {
    this.stats.attemptTimeouts++
    const connection = call.connection as Connection
    const beganMs = call.attemptBeganMs
    const span = `${Math.round(call.attemptTimeoutMs)} ms`
    const what = call.phase === Phase.sent ? `no answer within ${span}` : `not sent within ${span}, since too much waits there`
    call.lastFailure = `${connection.address}: ${what}`
    call.attemptTimeoutMs = Math.min(call.attemptTimeoutMs * 2, MAX_ATTEMPT_TIMEOUT_MS)
    if (call.block < 0) {
      this.end(call, 'deadline_exceeded', call.lastFailure)
      return
    }
    const isSilent = connection.lastReceivedMs < beganMs
    // It speaks, and has too much to do: it would have more if its calls were made anew. Beyond the budget they go on waiting.
    if (!isSilent && call.phase === Phase.sent && !this.budget.spend()) {
      this.beginAttempt(call, nowMs)
      return
    }
    if (isSilent) {
      this.endpointOf(connection)?.demote(nowMs)
      if (nowMs - connection.lastReceivedMs > STALL_MS) connection.close('unavailable', `nothing was received for ${STALL_MS} ms`)
    }
    // Closing a connection hands its calls back; this one may have gone on already.
    if (call.connection === connection) this.tryNext(call)
  }

  private expire(call: Call): void {
    const last = call.lastFailure === undefined ? '' : `; last: ${call.lastFailure}`
    if (call.isWrite && call.unresolved > 0) {
      this.end(call, 'unknown', `the deadline passed after ${call.attempts} attempts, at least one of which may have been applied${last}`)
    } else {
      const waited = call.attempts === 0 ? 'was never sent' : `was sent ${call.attempts} times`
      this.end(call, 'deadline_exceeded', `the deadline passed; the request ${waited}${last}`)
    }
  }

  // Ends.

  private end(
    call: Call,
    code: ErrorCode,
    message: string,
    details?: { retryAfterMs?: number; currentVersion?: number; cause?: unknown },
  ): void {
    if (call.phase === Phase.done) return
    this.settle(call)
    call.reject(call.failure(code, message, details))
  }

  private settle(call: Call): void {
    call.phase = Phase.done
    call.connection = undefined
    this.wheel.clear(call)
    call.untie?.()
  }

  // The tick: one frame and one write per connection.

  private setTick(): void {
    if (this.tickIsSet) return
    this.tickIsSet = true
    this.clock.soon(this.onTick)
  }

  private readonly onTick = (): void => {
    this.tickIsSet = false
    this.askStamps()
    const { dirty } = this
    this.dirty = []
    for (const connection of dirty) connection.flush()
  }

  private askStamps(): void {
    const blocks = this.stamps.takeUnasked()
    if (blocks.length === 0) return
    const byGroup = new Map<number, number[]>()
    for (const block of blocks) {
      const group = (this.placement as Placement).owner[block] as number
      const ofGroup = byGroup.get(group)
      if (ofGroup === undefined) byGroup.set(group, [block])
      else ofGroup.push(block)
    }
    for (const ofGroup of byGroup.values()) this.askStampsOf(ofGroup)
  }

  private askStampsOf(blocks: number[]): void {
    const deadlineMs = this.clock.nowMs() + MAX_ATTEMPT_TIMEOUT_MS
    const call = new StampsCall(this, { deadlineMs, attemptTimeoutMs: this.options.attemptTimeoutMs }, blocks)
    call.promise.then(
      (indexes) => {
        blocks.forEach((block, position) => {
          this.stamps.note(block, indexes[position] as number)
        })
        this.release(blocks)
      },
      () => {
        this.release(blocks)
      },
    )
    this.route(call)
  }

  /** Lets the writes go on that waited for these blocks; those that still have no stamp ask again after a pause. */
  private release(blocks: number[]): void {
    for (const block of blocks) {
      const known = this.stamps.of(block) >= 0
      for (const call of this.stamps.release(block)) {
        if (call.phase !== Phase.stamp) continue
        if (known) this.proceed(call)
        else this.pause(call, 0)
      }
    }
  }

  // The topology.

  /** Takes over a newer document: new placement, new endpoints; those it no longer names are retired. */
  install(topology: Topology): void {
    if (this.closed || (this.topology !== undefined && topology.epoch <= this.topology.epoch)) return
    this.topology = topology
    this.options.clusterId = topology.clusterId
    this.placement = placementOf(topology.groups.length)
    this.replicaCount = topology.groups[0]?.replicas.length ?? 0
    this.replicas = topology.groups.map(({ group, replicas }) =>
      replicas.map(({ replica, data }) => {
        const endpoint = this.endpoint(data)
        endpoint.slot = { group, replica }
        return endpoint
      }),
    )
    this.memory.install(topology, (data) => this.endpoint(data))
    const named = new Set([...this.replicas.flat(), ...this.memory.endpoints()])
    for (const endpoint of [...this.endpoints.values()]) if (!named.has(endpoint)) this.retire(endpoint)
  }

  private retire(endpoint: Endpoint): void {
    this.endpoints.delete(endpoint.address)
    endpoint.retire('the topology no longer names this address')
  }

  /** The endpoint of an address, made now if it is new. */
  endpoint(address: string): Endpoint {
    const known = this.endpoints.get(address)
    if (known !== undefined) return known
    const made = new Endpoint(
      address,
      this.options.world,
      () => ({ clusterId: this.options.clusterId, name: this.options.name, epoch: () => this.topology?.epoch ?? 0 }),
      this,
    )
    this.endpoints.set(address, made)
    return made
  }

  private endpointOf(connection: Connection): Endpoint | undefined {
    return this.endpoints.get(connection.address)
  }

  /** Ends all calls as `cancelled` and closes all connections. */
  close(): void {
    if (this.closed) return
    this.closed = true
    for (const item of this.wheel.items()) this.end(item as Call, 'cancelled', 'the client was closed')
    for (const endpoint of this.endpoints.values()) endpoint.retire('the client is closing')
  }
}
