/**
 * Connections between clients and the data ports of nodes, as TCP carries them: bytes arrive in order or not at all, in other pieces
 * than they were sent in, after a while, or after long; a side that is gone is noticed soon, late, or never. Both sides run as they are:
 * the client library on a `ClientStream`, the data port on an `IncomingStream` and what it is taken over as.
 */
import type { ClientStream, ClientStreamEvents } from '@thermocline/client/internal'
import type { Random } from '@thermocline/simulation'
import type { ByteStream, ByteStreamEvents, IncomingStream, StreamServer } from '../../src/io/ports.ts'
import type { Scheduler } from './scheduler.ts'

/** A process that connects, or is connected to. */
export interface Host {
  /** What others see as its address. */
  readonly name: string
  readonly isAlive: () => boolean
}

interface Listener {
  readonly host: Host
  readonly onStream: (stream: IncomingStream) => void
}

/** What a seed draws. */
export interface StreamHabits {
  /** Probability that of what has come a part is handed over, and the rest later. */
  readonly split: number
  readonly slow: number
  readonly slowestMs: number
  /** What the kernels between two processes take without the other side's reading it. */
  readonly windowBytes: number
}

export function drawStreamHabits(random: Random): StreamHabits {
  return {
    split: random.pick([0, 0.1, 0.5]),
    slow: random.pick([0, 0.005, 0.05]),
    slowestMs: random.pick([20, 200]),
    windowBytes: random.pick([256, 4096, 64 * 1024]),
  }
}

/** How long bytes wait that cannot pass, before they are tried again. */
const HELD_MS = 20
/** A machine that has vanished is noticed as late as this. */
const NOTICED_LATE_MS = 1500
/** Over what the client library has taken in, for it may not look at that again. */
const OVERWRITTEN = 0xa5

export class SimStreams {
  readonly scheduler: Scheduler
  readonly habits: StreamHabits
  /** By address: several processes, while an old one lives on beside its replacement. */
  private readonly listeners = new Map<string, Listener[]>()
  private readonly ends = new Set<End>()
  /** `from>to`, by names of hosts: what carries nothing. */
  private readonly cuts = new Map<string, number>()
  readonly hits = { opened: 0, refused: 0, split: 0, joined: 0, slow: 0, held: 0, full: 0, reset: 0 }

  constructor(scheduler: Scheduler, habits: StreamHabits) {
    this.scheduler = scheduler
    this.habits = habits
  }

  /** The data port of one process. */
  server(host: Host): StreamServer {
    return {
      listen: (address, onStream) => {
        const others = (this.listeners.get(address) ?? []).filter((listener) => listener.host.isAlive())
        this.listeners.set(address, [...others, { host, onStream }])
        return Promise.resolve(address)
      },
      close: () => Promise.resolve(),
    }
  }

  /** A connection of a client. */
  open(host: Host, address: string, events: ClientStreamEvents): ClientStream {
    const { scheduler } = this
    const client = new End(this, host)
    client.events = events
    scheduler.at(scheduler.random.between(0.05, 1), () => {
      if (client.isClosed || !host.isAlive()) return
      const found = this.listening(address)
      const listener = found.length === 0 ? undefined : scheduler.random.pick(found)
      if (listener === undefined) {
        this.hits.refused++
        client.fail('connection refused')
      } else if (!this.isCut(host.name, listener.host.name) && !this.isCut(listener.host.name, host.name))
        this.connect(client, listener, events)
      scheduler.hasReactions = true
    })
    return client
  }

  private listening(address: string): Listener[] {
    return (this.listeners.get(address) ?? []).filter((listener) => listener.host.isAlive())
  }

  private connect(client: End, listener: Listener, events: ClientStreamEvents): void {
    this.hits.opened++
    const server = new End(this, listener.host)
    client.other = server
    server.other = client
    client.isClient = true
    this.ends.add(client)
    this.ends.add(server)
    listener.onStream(server)
    events.onOpen()
  }

  forget(end: End): void {
    this.ends.delete(end)
  }

  /** A process has ended: the others notice. */
  dropAll(host: Host): void {
    const { random } = this.scheduler
    for (const end of [...this.ends]) {
      if (end.host !== host) continue
      end.vanish()
      end.other?.loseSoon(random.between(0.1, random.chance(0.05) ? NOTICED_LATE_MS : 20))
    }
  }

  /** The names of those that are connected to a process of that name. */
  clientsOf(name: string): string[] {
    const names = new Set<string>()
    for (const { host, other } of this.ends) if (host.name === name && other !== undefined) names.add(other.host.name)
    return [...names]
  }

  /** Connections between processes of these names are reset. */
  reset(isOne: (a: string, b: string) => boolean): void {
    for (const end of [...this.ends]) {
      if (end.isClosed || end.other === undefined || !isOne(end.host.name, end.other.host.name)) continue
      this.hits.reset++
      end.loseSoon(0)
      end.other.loseSoon(this.scheduler.random.between(0, 5))
    }
  }

  /** Bytes from one name to another wait for so long. */
  cut(from: string, to: string, forMs: number): void {
    const key = `${from}>${to}`
    this.cuts.set(key, Math.max(this.cuts.get(key) ?? 0, this.scheduler.nowMs + forMs))
  }

  isCut(from: string, to: string): boolean {
    return this.cuts.size > 0 && (this.cuts.get(`${from}>${to}`) ?? 0) > this.scheduler.nowMs
  }

  mend(): void {
    this.cuts.clear()
  }
}

type Events = ClientStreamEvents | ByteStreamEvents | { onData(bytes: Uint8Array): void; onClose(reason: string): void }

/** One end of a connection, with what is on its way to it. */
class End implements ClientStream, IncomingStream, ByteStream {
  private readonly streams: SimStreams
  readonly host: Host
  other: End | undefined
  events: Events | undefined
  isClient = false
  isClosed = false
  private inbox: Uint8Array[] = []
  private inboxBytes = 0
  /** The other side sends nothing more. */
  private isEnded = false
  private isDue = false
  private isPaused = false
  /** This side has sent more than the window. */
  private isFull = false

  constructor(streams: SimStreams, host: Host) {
    this.streams = streams
    this.host = host
  }

  get remoteAddress(): string | undefined {
    return this.other?.host.name
  }

  get unsentBytes(): number {
    return Math.max(0, (this.other?.inboxBytes ?? 0) - this.streams.habits.windowBytes)
  }

  write(bytes: Uint8Array): void {
    const { other } = this
    if (this.isClosed || other === undefined || other.isEnded || bytes.length === 0) return
    other.inbox.push(bytes.slice())
    other.inboxBytes += bytes.length
    if (this.unsentBytes > 0) {
      if (!this.isFull) this.streams.hits.full++
      this.isFull = true
    }
    other.deliverSoon()
  }

  follow(events: { onData(bytes: Uint8Array): void; onClose(): void }): void {
    this.events = events
  }

  take(events: ByteStreamEvents): ByteStream {
    if (this.isClosed) throw new Error('the connection is gone')
    this.events = events
    return this
  }

  pause(): void {
    this.isPaused = true
  }

  resume(): void {
    this.isPaused = false
    this.deliverSoon()
  }

  end(bytes?: Uint8Array): void {
    if (bytes !== undefined) this.write(bytes)
    if (this.other === undefined) return
    this.other.isEnded = true
    this.other.deliverSoon()
  }

  closeSoon(): void {
    this.close()
  }

  close(reason = 'this side has closed the connection'): void {
    if (this.isClosed) return
    this.end()
    this.isClosed = true
    this.streams.scheduler.at(0, () => this.tellClosed(reason))
  }

  /** It could not be opened. */
  fail(reason: string): void {
    this.isClosed = true
    this.tellClosed(reason)
  }

  /** Its process is no more. */
  vanish(): void {
    this.isClosed = true
    this.events = undefined
    this.streams.forget(this)
  }

  /** The other side is gone: it is noticed after `delayMs`, and what is still on its way is lost then. */
  loseSoon(delayMs: number): void {
    this.streams.scheduler.at(delayMs, () => this.lose('the connection was reset'))
  }

  private lose(reason: string): void {
    if (this.isClosed) return
    this.isClosed = true
    this.tellClosed(reason)
  }

  private tellClosed(reason: string): void {
    const { events } = this
    this.events = undefined
    this.inbox = []
    this.streams.forget(this)
    if (!this.host.isAlive()) return
    events?.onClose(reason)
    this.streams.scheduler.hasReactions = true
  }

  private deliverSoon(): void {
    if (this.isDue || this.isPaused || this.isClosed || (this.inbox.length === 0 && !this.isEnded)) return
    const { scheduler, habits, hits } = this.streams
    const { random } = scheduler
    const isSlow = random.chance(habits.slow)
    if (isSlow) hits.slow++
    this.deliverAfter(random.between(0.1, 2) + (isSlow ? random.between(5, habits.slowestMs) : 0))
  }

  private deliverAfter(delayMs: number): void {
    this.isDue = true
    this.streams.scheduler.at(delayMs, () => {
      this.isDue = false
      this.deliver()
    })
  }

  private deliver(): void {
    const { streams } = this
    if (this.isClosed || this.isPaused || !this.host.isAlive()) return
    if (streams.isCut(this.other?.host.name ?? '', this.host.name)) {
      streams.hits.held++
      this.deliverAfter(HELD_MS)
      return
    }
    if (this.inbox.length > 0) this.hand(this.takePiece())
    if (this.inbox.length > 0) this.deliverSoon()
    else if (this.isEnded) {
      this.end()
      this.lose('the other side has closed the connection')
    }
    streams.scheduler.hasReactions = true
  }

  private hand(piece: Uint8Array): void {
    this.streams.scheduler.trace(piece.length)
    this.events?.onData(piece)
    // All clients of a process share one buffer to read into.
    if (this.isClient) piece.fill(OVERWRITTEN)
    this.other?.onTaken()
  }

  /** All that has come, as one; or a part of it. */
  private takePiece(): Uint8Array {
    const { scheduler, habits, hits } = this.streams
    const { random } = scheduler
    if (this.inbox.length > 1) hits.joined++
    const all = this.inbox.length === 1 ? (this.inbox[0] as Uint8Array) : new Uint8Array(Buffer.concat(this.inbox))
    const isSplit = all.length > 1 && random.chance(habits.split)
    const length = isSplit ? 1 + random.below(all.length - 1) : all.length
    if (isSplit) hits.split++
    this.inbox = isSplit ? [all.slice(length)] : []
    this.inboxBytes = all.length - length
    return isSplit ? all.slice(0, length) : all
  }

  /** The other side has taken something. */
  private onTaken(): void {
    if (!this.isFull || this.unsentBytes > 0 || this.isClosed) return
    this.isFull = false
    const { events } = this
    if (events !== undefined && 'onDrain' in events) events.onDrain?.()
  }
}
