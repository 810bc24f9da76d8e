/**
 * Keeps the topology current: a long poll on one connection at a time, and at once when a reply names a newer epoch. The
 * document is checked before it is taken over; one that is not newer is ignored.
 */
import { type Clock, ERRORS, parseTopology, ThermoclineError, type Topology } from '@thermocline/protocol'
import { TopologyCall } from './calls.ts'
import { DEFAULT_ATTEMPT_TIMEOUT_MS, WATCH_BACKOFF_CAP_MS, WATCH_BACKOFF_MS, WATCH_WAIT_MS } from './constants.ts'
import type { Dispatcher } from './dispatcher.ts'
import type { Endpoint } from './endpoint.ts'
import type { ClientWorld } from './world.ts'

export class TopologyWatcher {
  private readonly dispatcher: Dispatcher
  private readonly seeds: readonly string[]
  private readonly world: ClientWorld
  private readonly clock: Clock
  private readonly listeners = new Set<(topology: Topology) => void>()
  private stopped: boolean = false
  /** Ends the pause of `run`. */
  private wake: (() => void) | undefined
  private refreshing: boolean = false
  private turn = 0

  constructor(dispatcher: Dispatcher, seeds: readonly string[], world: ClientWorld) {
    this.dispatcher = dispatcher
    this.seeds = seeds
    this.world = world
    this.clock = world.clock
  }

  get current(): Topology {
    return this.dispatcher.topology as Topology
  }

  /**
   * Gets the first topology from any seed.
   * @throws ThermoclineError `unavailable` at the deadline; at once what no other seed or retry can cure.
   */
  async first(timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
    const { clock } = this
    const deadlineMs = clock.nowMs() + timeoutMs
    let last = 'no endpoint was reached'
    let backoffMs = WATCH_BACKOFF_MS / 4
    for (let attempt = 0; clock.nowMs() < deadlineMs; attempt++) {
      if (signal?.aborted === true) throw new ThermoclineError('cancelled', 'connect: the signal was aborted', { outcome: 'not' })
      const seed = this.seeds[attempt % this.seeds.length] as string
      try {
        if (await this.fetch(this.dispatcher.endpoint(seed), 0)) return
        last = `${seed}: it has no topology yet`
      } catch (error) {
        if (!(error instanceof ThermoclineError)) throw error
        last = error.message
        if (!ERRORS[error.code].retry && error.code !== 'deadline_exceeded') throw error
      }
      if ((attempt + 1) % this.seeds.length !== 0) continue
      await this.waitOut(Math.min(backoffMs, deadlineMs - clock.nowMs()))
      backoffMs = Math.min(backoffMs * 2, WATCH_BACKOFF_CAP_MS)
    }
    throw new ThermoclineError('unavailable', `connect: no topology within ${timeoutMs} ms from ${this.seeds.join(', ')}; last: ${last}`)
  }

  /** Watches until `stop`. */
  async run(): Promise<void> {
    let backoffMs = WATCH_BACKOFF_MS
    while (!this.stopped) {
      try {
        await this.fetch(this.pick(), WATCH_WAIT_MS)
        backoffMs = WATCH_BACKOFF_MS
      } catch (error) {
        if (this.isStopped()) return
        if (!(error instanceof ThermoclineError)) throw error
        await this.pause(backoffMs * (0.5 + this.world.random() / 2))
        backoffMs = Math.min(backoffMs * 2, WATCH_BACKOFF_CAP_MS)
      }
    }
  }

  /** A reply named a newer epoch: get it now, from who named it. */
  refresh(endpoint: Endpoint | undefined): void {
    if (this.refreshing || this.stopped) return
    this.refreshing = true
    this.fetch(endpoint ?? this.pick(), 0).then(
      () => {
        this.refreshing = false
      },
      () => {
        this.refreshing = false
      },
    )
  }

  /** Calls back after every change; returns how to end that. */
  listen(listener: (topology: Topology) => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  stop(): void {
    this.stopped = true
    this.wake?.()
    this.listeners.clear()
  }

  /** Waits for `first`: whoever calls that lives on until then. */
  private waitOut(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const stop = this.clock.every(Math.max(1, ms), () => {
        stop()
        resolve()
      })
    })
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.clock.after(ms, resolve)
      this.wake = () => {
        cancel()
        resolve()
      }
    })
  }

  private isStopped(): boolean {
    return this.stopped
  }

  /** A connected replica in turn; else any, or a seed when the topology's addresses all fail. */
  private pick(): Endpoint {
    const nowMs = this.clock.nowMs()
    const all = [...this.dispatcher.endpoints.values()]
    const connected = all.filter((endpoint) => endpoint.connection?.state === 'ready' && endpoint.isLive(nowMs))
    const candidates = connected.length > 0 ? connected : [...all, ...this.seeds.map((seed) => this.dispatcher.endpoint(seed))]
    this.turn++
    return candidates[this.turn % candidates.length] as Endpoint
  }

  /** One question. Returns false if the node has nothing newer. */
  private async fetch(endpoint: Endpoint, waitMs: number): Promise<boolean> {
    const known = this.dispatcher.topology?.epoch ?? 0
    const attemptTimeoutMs = waitMs + DEFAULT_ATTEMPT_TIMEOUT_MS
    const call = new TopologyCall(
      this.dispatcher,
      { deadlineMs: this.clock.nowMs() + attemptTimeoutMs + DEFAULT_ATTEMPT_TIMEOUT_MS, attemptTimeoutMs },
      known,
      waitMs,
    )
    this.dispatcher.startAt(endpoint, call)
    const text = await call.promise
    if (text === undefined || text === '') return false
    const topology = parseTopology(parseJson(text, endpoint.address))
    const before = this.dispatcher.topology
    this.dispatcher.install(topology)
    if (this.dispatcher.topology !== before) for (const listener of this.listeners) listener(topology)
    return true
  }
}

function parseJson(text: string, address: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new ThermoclineError('bad_frame', `${address}: the topology is not JSON`, { cause })
  }
}
