/**
 * The network between the replicas of one group. A connection is a pair of ends that lives until one side closes it,
 * crashes, or the fault injector cuts it. Harsher than TCP on purpose: within a connection frames may also be lost,
 * doubled and overtaken, since nothing in the protocol may rest on their order (the hellos excepted: they open it).
 */
import type { PeerLink, PeerLinkEvents, PeerNetwork } from '../../src/io/ports.ts'
import type { Scheduler } from './scheduler.ts'

export interface NetworkFaults {
  drop: number
  duplicate: number
  /** Probability that a frame takes a long way. */
  slow: number
  minDelayMs: number
  maxDelayMs: number
  /** Probability that one bit of a frame arrives flipped. */
  flip: number
}

/** Added to a replica's number: where its process is found that lives on beside a newer one. */
const ELSEWHERE = 8
const PLACES = 2 * ELSEWHERE
/** What one question to a replica may take. */
const REACH_MS = 2000

/** Both ends are *places*: the number of a replica, or elsewhere. */
interface End {
  replica: number
  peer: number
  events: PeerLinkEvents | undefined
  isOpen: boolean
  /** Dialled anew when it ends. */
  isKept: boolean
  sent: number
  other: End
}

interface Listener {
  readonly onLink: (link: PeerLink, replica: number | undefined) => PeerLinkEvents
  readonly isAlive: () => boolean
}

export class SimNetwork {
  private readonly scheduler: Scheduler
  readonly faults: NetworkFaults
  /** By place. */
  private readonly listeners = new Map<number, Listener>()
  private readonly ends = new Set<End>()
  /** `from * PLACES + to` of those that will be dialled. */
  private readonly dialling = new Set<number>()
  /** `from * 16 + to` of directions that carry nothing. */
  readonly cut = new Set<number>()
  readonly hits = { delivered: 0, dropped: 0, duplicated: 0, slow: 0, cut: 0, closed: 0, flipped: 0 }

  constructor(scheduler: Scheduler, faults: NetworkFaults) {
    this.scheduler = scheduler
    this.faults = faults
  }

  /** The port of one process life. */
  port(replica: number, replicaCount: number, isAlive: () => boolean): PeerNetwork {
    return {
      start: (onLink) => {
        this.listeners.set(replica, { onLink, isAlive })
        for (let peer = 0; peer < replicaCount; peer++) if (peer !== replica) this.dialSoon(peer, replica)
      },
      reach: (peer, onLink, onFailed) => this.reach(replica, peer, isAlive, onLink, onFailed),
      setAddresses: () => {},
      stop: () => this.dropAll(replica),
    }
  }

  /** A process is gone: its connections close for the others, now or after a while. */
  dropAll(replica: number): void {
    this.listeners.delete(replica)
    for (const end of [...this.ends]) if (end.replica === replica) this.close(end, 'the process ended')
  }

  /** The process of the replica is at another place from now on, with all its connections; returns the place. */
  moveElsewhere(replica: number): number {
    const place = replica + ELSEWHERE
    const listener = this.listeners.get(replica)
    this.listeners.delete(replica)
    if (listener !== undefined) this.listeners.set(place, listener)
    for (const end of this.ends) {
      if (end.replica === replica) end.replica = place
      if (end.peer === replica) end.peer = place
    }
    for (const other of this.listeners.keys()) if (replicaAt(other) !== replica) this.dialSoon(place, other)
    return place
  }

  cutConnections(a: number, b: number): void {
    for (const end of [...this.ends]) if (end.replica === a && end.peer === b) this.close(end, 'the connection was reset')
  }

  /** Every frame arrives, once and soon. */
  mend(): void {
    this.cut.clear()
    Object.assign(this.faults, { drop: 0, duplicate: 0, slow: 0, maxDelayMs: 1, flip: 0 })
  }

  isConnected(a: number, b: number): boolean {
    for (const end of this.ends) if (end.replica === a && end.peer === b && end.isOpen && end.isKept) return true
    return false
  }

  /** The one of the higher number dials the other. */
  private dialSoon(a: number, b: number): void {
    const [from, to] = replicaAt(a) > replicaAt(b) ? [a, b] : [b, a]
    this.dialAfter(this.scheduler.random.between(1, 30), from, to)
  }

  /** Once at a time: both ends close a connection, and each would have another one dialled. */
  private dialAfter(delayMs: number, from: number, to: number): void {
    const pair = from * PLACES + to
    if (this.dialling.has(pair)) return
    this.dialling.add(pair)
    this.scheduler.at(delayMs, () => {
      this.dialling.delete(pair)
      this.dial(from, to)
    })
  }

  private dial(from: number, to: number): void {
    const dialler = this.listeners.get(from)
    const acceptor = this.listeners.get(to)
    if (dialler === undefined || acceptor === undefined || this.isConnected(from, to)) return
    if (this.isCut(from, to) || this.isCut(to, from)) {
      this.dialAfter(this.scheduler.random.between(20, 80), from, to)
      return
    }
    const [a, b] = this.pair(from, to, true)
    b.events = acceptor.onLink(this.link(b), undefined)
    a.events = dialler.onLink(this.link(a), replicaAt(to))
    this.scheduler.hasReactions = true
  }

  /** A connection's two ends. */
  private pair(from: number, to: number, isKept: boolean): [End, End] {
    const a = { replica: from, peer: to, events: undefined, isOpen: true, isKept, sent: 0 } as unknown as End
    const b: End = { replica: to, peer: from, events: undefined, isOpen: true, isKept, sent: 0, other: a }
    a.other = b
    this.ends.add(a)
    this.ends.add(b)
    return [a, b]
  }

  /** One connection to the process that is found under the replica's number, beside the kept one. */
  private reach(from: number, to: number, isAlive: () => boolean, onLink: (link: PeerLink) => PeerLinkEvents, onFailed: () => void): void {
    // A process that has moved asks from where it is.
    const place = this.listeners.get(from)?.isAlive === isAlive ? from : from + ELSEWHERE
    this.scheduler.at(this.scheduler.random.between(0.1, 2), () => {
      if (!isAlive()) return
      const acceptor = this.listeners.get(to)
      if (acceptor === undefined || this.isCut(place, to) || this.isCut(to, place)) onFailed()
      else {
        const [a, b] = this.pair(place, to, false)
        b.events = acceptor.onLink(this.link(b), undefined)
        a.events = onLink(this.link(a))
        this.scheduler.at(REACH_MS, () => this.close(a, 'it has taken too long'))
      }
      this.scheduler.hasReactions = true
    })
  }

  private isCut(from: number, to: number): boolean {
    return this.cut.has(from * 16 + to)
  }

  private link(end: End): PeerLink {
    return {
      send: (bytes) => this.send(end, bytes.slice()),
      close: () => this.close(end, 'closed by the other side'),
      abort: () => this.close(end, 'closed by the other side'),
      bufferedBytes: 0,
    }
  }

  private send(end: End, frame: Uint8Array): void {
    if (!end.isOpen) return
    const { random } = this.scheduler
    const isHello = end.sent++ === 0
    if (this.isCut(end.replica, end.peer)) {
      this.hits.cut++
      return
    }
    if (!isHello && random.chance(this.faults.drop)) {
      this.hits.dropped++
      return
    }
    this.deliver(end, frame, isHello)
    if (!isHello && random.chance(this.faults.duplicate)) {
      this.hits.duplicated++
      this.deliver(end, frame, false)
    }
  }

  private deliver(end: End, frame: Uint8Array, isHello: boolean): void {
    const { random } = this.scheduler
    let delayMs = isHello ? 0.01 : random.between(this.faults.minDelayMs, this.faults.maxDelayMs)
    if (!isHello && random.chance(this.faults.slow)) {
      this.hits.slow++
      delayMs += random.between(5, 150)
    }
    this.scheduler.at(delayMs, () => {
      if (!end.other.isOpen || this.listeners.get(end.peer)?.isAlive() !== true) return
      this.hits.delivered++
      this.scheduler.trace(frame.length)
      end.other.events?.onData(this.onTheWire(frame))
      this.scheduler.hasReactions = true
    })
  }

  /** The frame as it arrives. */
  private onTheWire(frame: Uint8Array): Uint8Array {
    const { random } = this.scheduler
    const arrived = frame.slice()
    if (this.faults.flip === 0 || !random.chance(this.faults.flip)) return arrived
    this.hits.flipped++
    const at = random.below(arrived.length)
    arrived[at] = (arrived[at] as number) ^ (1 << random.below(8))
    return arrived
  }

  private close(end: End, reason: string): void {
    if (!end.isOpen) return
    this.hits.closed++
    const { random } = this.scheduler
    end.isOpen = false
    for (const one of [end, end.other]) {
      this.ends.delete(one)
      // What was on its way arrives until the other side notices, which may take long when a machine just vanishes.
      this.scheduler.at(random.between(0.1, random.chance(0.05) ? 1500 : 20), () => {
        one.isOpen = false
        if (this.listeners.get(one.replica)?.isAlive() === true) one.events?.onClose(reason)
        this.scheduler.hasReactions = true
      })
    }
    if (end.isKept) this.dialSoon(end.replica, end.peer)
  }
}

function replicaAt(place: number): number {
  return place % ELSEWHERE
}
