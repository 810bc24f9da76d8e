/**
 * Peer connections over TCP. Of two replicas the one with the higher number dials; the other accepts on its data port.
 * A lost connection is dialled again after a short, random wait.
 */
import { connect, type Socket } from 'node:net'
import { splitAddress } from '@thermocline/protocol'
import { plainBytes } from '../plain-bytes.ts'
import type { PeerLink, PeerLinkEvents, PeerNetwork } from '../ports.ts'

const REDIAL_MS = 150
const DIAL_TIMEOUT_MS = 2000

type OnLink = (link: PeerLink, replica: number | undefined) => PeerLinkEvents

export class OsPeerNetwork implements PeerNetwork {
  private readonly replica: number
  private addresses: readonly (string | undefined)[] = []
  private onLink: OnLink | undefined
  private isStopped = false
  private readonly dialling = new Set<number>()
  private readonly sockets = new Set<Socket>()

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
    const timer = setTimeout(() => socket.destroy(new Error(`no answer from ${address} in ${DIAL_TIMEOUT_MS} ms`)), DIAL_TIMEOUT_MS)
    socket.once('connect', () => {
      clearTimeout(timer)
      this.attach(socket, peer, undefined)
    })
    socket.on('error', () => {
      // What went wrong is told by 'close', which follows.
    })
    socket.once('close', () => {
      clearTimeout(timer)
      if (this.isStopped) return
      setTimeout(() => this.dial(peer), REDIAL_MS * (0.5 + Math.random()))
    })
  }

  /** Takes over an accepted connection whose first bytes said that it is a peer's. */
  accept(socket: Socket, first: Uint8Array): void {
    if (this.onLink === undefined || this.isStopped) socket.destroy()
    else this.attach(socket, undefined, first)
  }

  private attach(socket: Socket, peer: number | undefined, first: Uint8Array | undefined): void {
    this.sockets.add(socket)
    const link: PeerLink = {
      send: (bytes) => {
        if (!socket.destroyed) socket.write(Buffer.from(bytes))
      },
      close: () => {
        socket.destroySoon()
      },
      get bufferedBytes() {
        return socket.writableLength
      },
    }
    const events = (this.onLink as OnLink)(link, peer)
    let reason = 'the connection was closed'
    socket.on('error', (error) => {
      reason = error.message
    })
    socket.on('data', (chunk: Buffer) => events.onData(plainBytes(chunk)))
    socket.once('close', () => {
      this.sockets.delete(socket)
      events.onClose(reason)
    })
    if (first !== undefined && first.length > 0) events.onData(first)
  }

  stop(): void {
    this.isStopped = true
    for (const socket of this.sockets) socket.destroySoon()
  }
}
