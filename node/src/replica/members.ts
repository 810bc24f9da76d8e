/**
 * Who is a member of the group, and who may be counted (⚖5): what this replica says of itself in a hello, which hellos it
 * takes, and which incarnations are the newest that anybody names.
 */
import { compareIncarnations, type Incarnation, ThermoclineError, WIRE_VERSION } from '@thermocline/protocol'
import { BlockSet } from '../paxos/block-set.ts'
import type { Core } from '../paxos/core.ts'
import type { PeerHello } from '../paxos/frames.ts'
import type { ProcessRef } from '../paxos/processes.ts'
import type { PeerMemories } from './peer-memory.ts'
import type { Peer, Peers } from './peers.ts'
import type { Volume } from './volume.ts'

export interface MembersOptions {
  readonly volume: Volume
  readonly bootNonce: string
  readonly core: Core
  readonly peers: Peers
  readonly memories: PeerMemories
  /** Whether the topology fills the slot with this incarnation. */
  readonly isNamed: (replica: number, incarnation: Incarnation) => boolean
  /** This volume was rolled back or replaced. */
  readonly onRejected: (message: string) => void
}

export class Members {
  private readonly options: MembersOptions
  /** Incarnation of the last process that was connected, by replica. */
  private readonly last: (Incarnation | undefined)[] = []
  /** Number of the last whole write that the log held when this process started. */
  logEnd = 0
  /** Nothing that this volume says counts any more. */
  isRejected = false

  constructor(options: MembersOptions) {
    this.options = options
  }

  hello(): PeerHello {
    const { volume, bootNonce, core, memories } = this.options
    const { clusterId, group, replica, incarnation, boot } = volume
    return {
      version: WIRE_VERSION,
      clusterId,
      isStranger: false,
      votesInAll: core.votes.isFull,
      process: { group, replica, incarnation, boot },
      bootNonce,
      logEnd: this.logEnd,
      incarnations: memories.named,
    }
  }

  /**
   * The process that a hello names.
   * @throws ThermoclineError if it comes from another cluster, group or an impossible slot, or from a volume that is no member.
   */
  admit(hello: PeerHello): ProcessRef {
    const { volume, core, isNamed } = this.options
    const { group, replica, incarnation } = hello.process
    if (hello.clusterId !== volume.clusterId) {
      throw new ThermoclineError('wrong_cluster', `the peer belongs to cluster ${hello.clusterId}, this replica to ${volume.clusterId}`)
    }
    if (group !== volume.group || replica >= core.replicaCount || replica === volume.replica) {
      throw new ThermoclineError(
        'wrong_cluster',
        `the peer is group ${group} replica ${replica}; this is group ${volume.group} replica ${volume.replica}`,
      )
    }
    if (!hello.isStranger && incarnation.number === 0 && !isNamed(replica, incarnation)) {
      throw new ThermoclineError(
        'rolled_back',
        `the topology fills the slot of replica ${replica} with another volume than ${incarnation.nonce}`,
      )
    }
    return core.processes.intern(hello.process)
  }

  /** A peer has connected. True if it runs on another incarnation than the last one: what that one voted is void. */
  take(peer: Peer, hello: PeerHello): boolean {
    const { core } = this.options
    const { incarnation } = hello.process
    const last = this.last[peer.replica]
    this.last[peer.replica] = incarnation
    core.peerProcess[peer.replica] = peer.process
    core.peerVotes[peer.replica] = hello.votesInAll ? BlockSet.full() : new BlockSet()
    this.update()
    return last !== undefined && compareIncarnations(last, incarnation) !== 0
  }

  lose(peer: Peer): void {
    this.options.core.peerProcess[peer.replica] = 0
    this.update()
  }

  /** Who may be counted now. Called when a connection, a named incarnation or the topology changes. */
  update(): void {
    const { core, peers } = this.options
    if (!this.isNewest(core.self)) {
      this.reject('a later volume has taken the place of this one')
      return
    }
    let countable = core.isActive ? 1 << core.replica : 0
    for (const peer of peers.all) {
      if (!peer.isReady) continue
      if (this.isNewest(peer.process)) countable |= 1 << peer.replica
      else peers.dropReplaced(peer)
    }
    core.countable = countable
    core.live = peers.liveMask()
  }

  private isNewest(process: ProcessRef): boolean {
    const { core, memories, isNamed } = this.options
    const { replica, incarnation } = core.processes.get(process)
    const named = memories.named.get(replica)
    if (named !== undefined && compareIncarnations(incarnation, named) < 0) return false
    return incarnation.number > 0 || isNamed(replica, incarnation)
  }

  /** The volume was rolled back or replaced: it ends its part, and has to rejoin. */
  reject(message: string): void {
    const { core, peers, onRejected } = this.options
    if (this.isRejected) return
    this.isRejected = true
    core.isActive = false
    core.countable = 0
    peers.closeAll()
    onRejected(message)
  }
}
