/**
 * Peer connections over TCP. Of two replicas the one with the higher number dials; the other accepts on its data port.
 * A lost connection is dialled again after a short, random wait. Peers send heartbeats, so one that is silent is lost, too, though TCP
 * would go on for long: its machine may have vanished.
 *
 * Anybody may claim to be a peer. Links whose hello has not come whole are few, and the oldest gives way to a new one; of those that
 * have said one, at most `MAX_LINKS_PER_SLOT` claim the same slot: strangers who say little, or much, keep no peer out.
 */
import { connect } from 'node:net'
import { splitAddress } from '@thermocline/protocol'
import type { Complaints } from '../../doors/complaints.ts'
import { MAX_LINKS_PER_SLOT, MAX_UNGREETED_LINKS } from '../../doors/hello-bounds.ts'
import type { Traffic } from '../../doors/traffic.ts'
import type { IncomingStream, PeerLink, PeerLinkEvents, PeerNetwork } from '../ports.ts'
import { type LinkOrigin, OsPeerLink } from './os-peer-link.ts'
import { IncomingTcp } from './tcp-server.ts'

const REDIAL_MS = 150
const DIAL_TIMEOUT_MS = 2000
/** What one question to a replica, and its answer, may take. */
const REACH_MS = 2000
const SILENT_MS = 5000
const SILENCE_CHECK_MS = 1000

type OnLink = (link: PeerLink, replica: number | undefined) => PeerLinkEvents

export interface OsPeerNetworkOptions {
  readonly replica: number
  readonly traffic: Traffic
  readonly complaints: Complaints
  /** The slot that the first frame of a link claims. */
  readonly claimedReplica: (frame: Uint8Array) => number | undefined
}

export class OsPeerNetwork implements PeerNetwork {
  private readonly options: OsPeerNetworkOptions
  private addresses: readonly (string | undefined)[] = []
  private onLink: OnLink | undefined
  private isStopped = false
  private readonly dialling = new Set<number>()
  /** In the order in which they came. */
  private readonly links = new Set<OsPeerLink>()
  private checkedMs = 0
  private silenceCheck: NodeJS.Timeout | undefined

  constructor(options: OsPeerNetworkOptions) {
    this.options = options
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
    const { replica } = this.options
    for (let peer = 0; peer < replica; peer++) if (!this.dialling.has(peer) && this.addresses[peer] !== undefined) this.dial(peer)
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
      const { onLink } = this
      if (onLink === undefined) socket.destroy()
      else this.attach(new IncomingTcp(socket), { dialled: peer, arrivedMs: performance.now() }, (link) => onLink(link, peer), onClose)
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
      let end: NodeJS.Timeout | undefined
      const link = this.attach(new IncomingTcp(socket), { dialled: peer, arrivedMs: performance.now() }, onLink, () => clearTimeout(end))
      if (link === undefined) onFailed()
      else end = setTimeout(() => link.abort('it has taken too long'), REACH_MS)
    })
  }

  /**
   * Takes over an accepted connection whose first bytes said that it is a peer's.
   * @param arrivedMs when it came, by `performance.now`.
   */
  accept(stream: IncomingStream, first: Uint8Array, arrivedMs = performance.now()): void {
    const { onLink } = this
    if (onLink === undefined || this.isStopped) {
      stream.close()
      return
    }
    const link = this.attach(
      stream,
      { dialled: undefined, arrivedMs },
      (accepted) => onLink(accepted, undefined),
      () => {},
    )
    if (link === undefined) return
    const ungreeted = this.accepted(({ isGreeted }) => !isGreeted)
    if (ungreeted.length > MAX_UNGREETED_LINKS)
      this.turnAway(ungreeted[0] as OsPeerLink, `${MAX_UNGREETED_LINKS} peers have begun a hello since`)
    link.onData(first)
  }

  /** Accepted links, the oldest first. */
  private accepted(is: (link: OsPeerLink) => boolean): OsPeerLink[] {
    return [...this.links].filter((link) => link.dialled === undefined && is(link))
  }

  /**
   * False if there are enough that claim the slot of this one, whose hello has come whole. One that is about to close gives way to it, and
   * so does one that this side has not answered yet, of the same source if there is one: who is being looked into keeps nobody out.
   */
  private admits(link: OsPeerLink): boolean {
    const others = this.accepted((other) => other !== link && other.isGreeted && other.claimed === link.claimed)
    if (others.length < (link.claimed === undefined ? MAX_UNGREETED_LINKS : MAX_LINKS_PER_SLOT)) return true
    const unanswered = others.filter(({ hasAnswered }) => !hasAnswered)
    const givesWay = others.find(({ isClosing }) => isClosing) ?? unanswered.find(({ source }) => source === link.source) ?? unanswered[0]
    givesWay?.abort('its place was needed')
    return givesWay !== undefined
  }

  private turnAway(link: OsPeerLink, reason: string): void {
    this.complain(link, reason)
    link.abort(reason)
  }

  private attach(
    stream: IncomingStream,
    origin: LinkOrigin,
    open: (link: PeerLink) => PeerLinkEvents,
    onClose: () => void,
  ): OsPeerLink | undefined {
    const { traffic, claimedReplica } = this.options
    let link: OsPeerLink
    try {
      link = new OsPeerLink(stream, origin, traffic, {
        onHello: (frame) => {
          link.claimed = claimedReplica(frame)
          if (origin.dialled !== undefined || this.admits(link)) return true
          this.turnAway(link, `${MAX_LINKS_PER_SLOT} connections claim to be replica ${link.claimed ?? '?'} already`)
          return false
        },
        onUnfit: (reason) => this.complain(link, reason),
        onClose: () => {
          this.links.delete(link)
          onClose()
        },
      })
    } catch {
      // No descriptor is left for it. Whoever dialled dials again.
      onClose()
      return undefined
    }
    this.links.add(link)
    link.open(open(link))
    return link
  }

  private complain({ source }: OsPeerLink, reason: string): void {
    this.options.complaints.report(source, 'a peer connection was closed', { reason })
  }

  private closeSilent(): void {
    const nowMs = performance.now()
    // If this process was held up itself, what has come meanwhile has not been read yet.
    const isLate = nowMs - this.checkedMs > 2 * SILENCE_CHECK_MS
    this.checkedMs = nowMs
    if (isLate) return
    for (const link of this.links) if (nowMs - link.heardMs > SILENT_MS) link.abort(`nothing was heard for ${SILENT_MS} ms`)
  }

  stop(): void {
    this.isStopped = true
    clearInterval(this.silenceCheck)
    for (const link of this.links) link.close()
  }
}
