/**
 * Peer connections over TCP. Of two replicas the one with the higher number dials; the other accepts on its data port.
 * A lost connection is dialled again after a short, random wait.
 */
import { connect, type Socket } from 'node:net'
import { splitAddress } from '@thermocline/protocol'
import type { PeerLink, PeerLinkEvents, PeerNetwork } from '../ports.ts'
import { TcpStream } from './tcp-stream.ts'

const REDIAL_MS = 150
const DIAL_TIMEOUT_MS = 2000

type OnLink = (link: PeerLink, replica: number | undefined) => PeerLinkEvents

export class OsPeerNetwork implements PeerNetwork {
  private readonly replica: number
  private addresses: readonly (string | undefined)[] = []
  private onLink: OnLink | undefined
  private isStopped = false
  private readonly dialling = new Set<number>()
  private readonly streams = new Set<TcpStream>()

  constructor(replica: number) {
    this.replica = replica
  }

  start(onLink: OnLink): void {
    this.onLink = onLink
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
    const socket = connect({ host, port, noDelay: true })
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
      socket.off('close', onClose)
      this.attach(socket, peer, undefined, onClose)
    })
  }

  /** Takes over an accepted connection whose first bytes said that it is a peer's. */
  accept(socket: Socket, first: Uint8Array): void {
    if (this.onLink === undefined || this.isStopped) socket.destroy()
    else this.attach(socket, undefined, first, () => {})
  }

  private attach(socket: Socket, peer: number | undefined, first: Uint8Array | undefined, onClose: () => void): void {
    let stream: TcpStream
    try {
      stream = new TcpStream(socket, {
        onData: (bytes) => events.onData(bytes),
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
    this.streams.add(stream)
    const link: PeerLink = {
      send: (bytes) => stream.write(bytes),
      close: () => stream.closeSoon(),
      get bufferedBytes() {
        return stream.unsentBytes
      },
    }
    const events = (this.onLink as OnLink)(link, peer)
    if (first !== undefined && first.length > 0) events.onData(first)
  }

  stop(): void {
    this.isStopped = true
    for (const stream of this.streams) stream.closeSoon()
  }
}
