/**
 * One replica as the client sees it: its address, at most one connection, and whether it is worth asking. A replica that
 * failed is demoted for a while (exponential, jittered) and probed by a connection of its own in the background, so that
 * callers neither wait for a dead machine nor forget one that came back.
 */
import { ThermoclineError } from '@thermocline/protocol'
import type { Call } from './call.ts'
import { Connection, type ConnectionEvents, type ConnectionOptions } from './connection.ts'
import { DEMOTION_BASE_MS, DEMOTION_CAP_MS, LEARNING_MS, TRIAL_MS } from './constants.ts'
import type { ClientWorld } from './world.ts'

const MAX_FAILURES = 16

type ConnectionBasics = Omit<ConnectionOptions, 'address' | 'host' | 'port' | 'world'>

export class Endpoint {
  readonly address: string
  readonly host: string
  readonly port: number
  /** The slot that the topology gives this address, −1 for any replica; undefined for an endpoint that only the caller named. */
  slot: { readonly group: number; readonly replica: number } | undefined
  connection: Connection | undefined
  /** Failures in a row since the last answer. */
  failures = 0
  demotedUntilMs = 0
  /** Of a machine of the memory tier: when its cache is as warm as the others’. */
  fullShareAtMs = 0
  /** Blocks that it said it only learns, until `learningUntilMs`; undefined if there are none. */
  private learning: Set<number> | undefined
  private learningUntilMs = 0
  private isOnTrial: boolean = false
  private retired: boolean = false
  /** Cancels the look at a replica that was demoted. */
  private cancelLook: (() => void) | undefined
  private readonly world: ClientWorld
  private readonly connectionOptions: () => ConnectionBasics
  private readonly events: ConnectionEvents

  constructor(address: string, world: ClientWorld, connectionOptions: () => ConnectionBasics, events: ConnectionEvents) {
    const { host, port } = parseAddress(address)
    this.address = address
    this.host = host
    this.port = port
    this.world = world
    this.connectionOptions = connectionOptions
    this.events = events
  }

  /** True if it is connected, or was never found wanting. */
  isLive(nowMs: number): boolean {
    return nowMs >= this.demotedUntilMs && (this.failures === 0 || this.connection?.state === 'ready')
  }

  /** It has said that it does not serve the block yet. All blocks are tried again after a while: it may vote in them by then. */
  noteLearning(block: number, nowMs: number): void {
    if (this.learning === undefined || nowMs >= this.learningUntilMs) {
      this.learning = new Set()
      this.learningUntilMs = nowMs + LEARNING_MS
    }
    this.learning.add(block)
  }

  learns(block: number, nowMs: number): boolean {
    return this.learning !== undefined && nowMs < this.learningUntilMs && this.learning.has(block)
  }

  submit(call: Call): void {
    this.connected().submit(call)
  }

  /** The connection, opened now if there is none. */
  connected(): Connection {
    this.connection ??= new Connection(
      { ...this.connectionOptions(), address: this.address, host: this.host, port: this.port, world: this.world },
      this.events,
    )
    return this.connection
  }

  /** It answered as it should. */
  succeeded(): void {
    this.failures = 0
    this.demotedUntilMs = 0
    this.isOnTrial = false
  }

  /** A call is sent to it although it failed before: others wait for how that ends, but not for ever. */
  beginTrial(nowMs: number): void {
    if (nowMs < this.demotedUntilMs) return
    this.demotedUntilMs = nowMs + TRIAL_MS
    this.isOnTrial = true
  }

  /** It failed: others are asked first for a while. Failures during a demotion count once. */
  demote(nowMs: number): void {
    if (nowMs < this.demotedUntilMs && !this.isOnTrial) return
    this.isOnTrial = false
    const span = Math.min(DEMOTION_CAP_MS, DEMOTION_BASE_MS * 2 ** this.failures)
    this.failures = Math.min(this.failures + 1, MAX_FAILURES)
    this.demotedUntilMs = nowMs + span * (0.5 + this.world.random() / 2)
    if (this.cancelLook !== undefined || this.retired || this.slot === undefined) return
    this.cancelLook = this.world.clock.after(this.demotedUntilMs - nowMs + 1, () => this.look())
  }

  /** Drops the connection that ended. */
  lost(connection: Connection, nowMs: number): void {
    if (this.connection !== connection) return
    this.connection = undefined
    this.demote(nowMs)
  }

  private look(): void {
    this.cancelLook = undefined
    if (!this.retired) this.connected()
  }

  /** The topology names it no longer, or the client closes. */
  retire(message: string): void {
    this.retired = true
    this.cancelLook?.()
    this.connection?.close('cancelled', message)
  }
}

/** @throws ThermoclineError `invalid_argument` unless `address` is host:port or [IPv6]:port. */
export function parseAddress(address: string): { host: string; port: number } {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^\s:[\]]+)):(\d{1,5})$/i.exec(address)
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3])
  if (host === undefined || port < 1 || port > 65_535) {
    throw new ThermoclineError('invalid_argument', `endpoints: ${JSON.stringify(address)} is not host:port, like 127.0.0.1:7400`)
  }
  return { host, port }
}
