/**
 * Peer connections over TCP. Of two replicas the one with the higher number dials; the other accepts on its data port.
 * A lost connection is dialled again after a short, random wait. Peers send heartbeats, so one that is silent is lost, too, though TCP
 * would go on for long: its machine may have vanished, or never said hello.
 */
import { connect, type Socket } from 'node:net'
import { splitAddress } from '@thermocline/protocol'
import type { PeerLink, PeerLinkEvents, PeerNetwork } from '../ports.ts'
import { TcpStream } from './tcp-stream.ts'

const REDIAL_MS = 150
const DIAL_TIMEOUT_MS = 2000
/** What one question to a replica, and its answer, may take. */
const REACH_MS = 2000
const SILENT_MS = 5000
const SILENCE_CHECK_MS = 1000
/** Those that have not said hello count: no group has as many replicas. */
const MAX_LINKS = 64

type OnLink = (link: PeerLink, replica: number | undefined) => PeerLinkEvents

export class OsPeerNetwork implements PeerNetwork {
  private readonly replica: number
  private addresses: readonly (string | undefined)[] = []
  private onLink: OnLink | undefined
  private isStopped = false
  private readonly dialling = new Set<number>()
  /** When each was last heard. */
  private readonly streams = new Map<TcpStream, number>()
  private checkedMs = 0
  private silenceCheck: NodeJS.Timeout | undefined

  constructor(replica: number) {
    this.replica = replica
  }

  start(onLink: OnLink): void {
    this.onLink = onLink
    this.checkedMs = performance.now()
    this.silenceCheck ??= setInterval(() => this.closeSilent(), SILENCE_CHECK_MS).unref()
    this.dialAll()
  }

  setAddresses(addresses: readonly (string | undefined)[]): void {
    this.addresses = addresses
    if (this.onLink !== undefined) this.dialAll()
  }

  private dialAll(): void {
    for (let peer = 0; peer < this.replica; peer++) if (!this.dialling.has(peer) && this.addresses[peer] !== undefined) this.dial(peer)
  }

  private dial(peer: number): void {
    const address = this.addresses[peer]
    if (this.isStopped || address === undefined) {
      this.dialling.delete(peer)
      return
    }
    this.dialling.add(peer)
    const { host, port } = splitAddress(address)
    const socket = connect({ host, port, noDelay: true, keepAlive: true })
    const timer = setTimeout(() => socket.destroy(), DIAL_TIMEOUT_MS)
    const onClose = (): void => {
      clearTimeout(timer)
      if (!this.isStopped) setTimeout(() => this.dial(peer), REDIAL_MS * (0.5 + Math.random()))
    }
    socket.once('close', onClose)
    socket.on('error', () => {
      // 'close' follows.
    })
    socket.once('connect', () => {
      clearTimeout(timer)
      if (this.isStopped) {
        socket.destroy()
        return
      }
      socket.off('close', onClose)
      this.attach(socket, peer, undefined, onClose)
    })
  }

  reach(peer: number, onLink: (link: PeerLink) => PeerLinkEvents, onFailed: () => void): void {
    const address = this.addresses[peer]
    if (this.isStopped || address === undefined) {
      onFailed()
      return
    }
    const { host, port } = splitAddress(address)
    const socket = connect({ host, port, noDelay: true })
    const timer = setTimeout(() => socket.destroy(), DIAL_TIMEOUT_MS)
    const onClose = (): void => {
      clearTimeout(timer)
      onFailed()
    }
    socket.once('close', onClose)
    socket.on('error', () => {
      // 'close' follows.
    })
    socket.once('connect', () => {
      clearTimeout(timer)
      socket.off('close', onClose)
      let events: PeerLinkEvents | undefined
      try {
        const stream = new TcpStream(socket, {
          onData: (bytes) => events?.onData(bytes),
          onClose: (reason) => {
            clearTimeout(end)
            events?.onClose(reason)
          },
        })
        const end = setTimeout(() => stream.close('it has taken too long'), REACH_MS)
        events = onLink(linkOver(stream))
      } catch {
        // No descriptor is left for it.
        onFailed()
      }
    })
  }

  /** Takes over an accepted connection whose first bytes said that it is a peer's. */
  accept(socket: Socket, first: Uint8Array): void {
    if (this.onLink === undefined || this.isStopped || this.streams.size >= MAX_LINKS) socket.destroy()
    else this.attach(socket, undefined, first, () => {})
  }

  private attach(socket: Socket, peer: number | undefined, first: Uint8Array | undefined, onClose: () => void): void {
    let stream: TcpStream
    try {
      stream = new TcpStream(socket, {
        onData: (bytes) => {
          this.streams.set(stream, performance.now())
          events.onData(bytes)
        },
        onClose: (reason) => {
          this.streams.delete(stream)
          events.onClose(reason)
          onClose()
        },
      })
    } catch {
      // No descriptor is left for it. Whoever dialled dials again.
      onClose()
      return
    }
    this.streams.set(stream, performance.now())
    const events = (this.onLink as OnLink)(linkOver(stream), peer)
    if (first !== undefined && first.length > 0) events.onData(first)
  }

  private closeSilent(): void {
    const nowMs = performance.now()
    // If this process was held up itself, what has come meanwhile has not been read yet.
    const isLate = nowMs - this.checkedMs > 2 * SILENCE_CHECK_MS
    this.checkedMs = nowMs
    if (isLate) return
    for (const [stream, heardMs] of this.streams) if (nowMs - heardMs > SILENT_MS) stream.close(`nothing was heard for ${SILENT_MS} ms`)
  }

  stop(): void {
    this.isStopped = true
    clearInterval(this.silenceCheck)
    for (const stream of this.streams.keys()) stream.closeSoon()
  }
}

function linkOver(stream: TcpStream): PeerLink {
  return {
    send: (bytes) => stream.write(bytes),
    close: () => stream.closeSoon(),
    abort: () => stream.close(),
    get bufferedBytes() {
      return stream.unsentBytes
    },
  }
}
