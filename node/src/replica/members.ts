/**
 * Who is a member of the group, and who may be counted (⚖5): what this replica says of itself in a hello, which hellos it
 * takes, and which incarnations are the newest that anybody names.
 */
import { compareIncarnations, type ErrorCode, type Incarnation, PEER_VERSION, ThermoclineError } from '@thermocline/protocol'
import { BlockSet } from '../paxos/block-set.ts'
import type { Core } from '../paxos/core.ts'
import type { PeerClaim, PeerHello } from '../paxos/frames.ts'
import { NO_PROCESS, type ProcessRef } from '../paxos/processes.ts'
import { bitCount } from '../paxos/quorums.ts'
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
  /** Bit r: replica r has said that this volume was replaced, and has not taken it in since. */
  private replacedBy = 0
  /** Nothing that this volume says counts any more. */
  isRejected = false

  constructor(options: MembersOptions) {
    this.options = options
  }

  hello(): PeerHello {
    const { volume, bootNonce, core, memories } = this.options
    const { clusterId, group, replica, incarnation, boot } = volume
    return {
      version: PEER_VERSION,
      clusterId,
      isStranger: false,
      votesInAll: core.votes.isFull,
      process: { group, replica, incarnation, boot },
      bootNonce,
      logEnd: this.logEnd,
      incarnations: memories.named,
    }
  }

  /** The claim is this process's own. */
  isOwn({ clusterId, process, bootNonce }: PeerClaim): boolean {
    const { volume } = this.options
    const isSame = clusterId === volume.clusterId && process.group === volume.group && process.replica === volume.replica
    const isBoot = process.boot === volume.boot && bootNonce === this.options.bootNonce
    return isSame && isBoot && compareIncarnations(process.incarnation, volume.incarnation) === 0 && !this.isRejected
  }

  /** @throws ThermoclineError if a hello comes from another cluster, group or an impossible slot, or from a volume that is no member. */
  admit(hello: PeerHello): void {
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
        'replaced',
        `the topology fills the slot of replica ${replica} with another volume than ${incarnation.nonce}`,
      )
    }
  }

  /** Checks a confirmed hello against what is known of the replica's volumes. @throws ThermoclineError */
  judge(hello: PeerHello): void {
    const { memories, peers } = this.options
    const { replica, incarnation } = hello.process
    const { claims } = peers.all[replica] as Peer
    // What it says of others is heard even if it is not taken: it may be what lets the others be taken.
    claims.clear()
    for (const [other, claimed] of hello.incarnations) if (other !== replica) claims.set(other, claimed)
    const known = this.highestKnown(replica)
    if (incarnation.number > known + 1) {
      throw new ThermoclineError(
        'unavailable',
        `replica ${replica} says it is at incarnation ${incarnation.number}, but the highest that is known of it is ${known}: the next one is ${known + 1}`,
      )
    }
    const verdict = memories.check(hello)
    if (!verdict.ok) throw new ThermoclineError(verdict.code, verdict.reason)
    this.replacedBy &= ~(1 << replica)
  }

  /** The highest number of an incarnation of the replica that was met here, or that another replica names. */
  private highestKnown(replica: number): number {
    const { memories, peers } = this.options
    let highest = memories.named.get(replica)?.number ?? 0
    for (const peer of peers.all) if (peer.replica !== replica) highest = Math.max(highest, peer.claims.get(replica)?.number ?? 0)
    return highest
  }

  /** A peer says of this volume that it must not go on. That it was rolled back, one peer alone may know; not so, that it was replaced. */
  onVerdict(replica: number, code: ErrorCode, message: string): void {
    if (code === 'rolled_back') this.reject(message)
    if (code !== 'replaced') return
    this.replacedBy |= 1 << replica
    this.update()
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

  /** Who may be counted now, and with whom. Called when a connection, a name or the topology changes. */
  update(): void {
    const { core, peers, isNamed, volume } = this.options
    if (this.isReplaced() || (volume.incarnation.number === 0 && !isNamed(volume.replica, volume.incarnation))) {
      this.reject('a later volume has taken the place of this one')
      return
    }
    let countable = core.isActive ? 1 << core.replica : 0
    for (const peer of peers.all) {
      if (!peer.isReady) continue
      if (this.isNewest(peer.process)) countable |= 1 << peer.replica
      else peers.dropReplaced(peer)
    }
    core.setCountable(
      countable,
      peers.all.map((peer) => this.conflicts(peer)),
    )
    core.live = peers.liveMask()
  }

  /** Bits of the replicas whose processes are older than the peer names. */
  private conflicts({ claims, isReady }: Peer): number {
    const { core, peers } = this.options
    let conflicts = 0
    if (!isReady) return 0
    for (const [replica, claimed] of claims) {
      const process = replica === core.replica ? core.self : (peers.all[replica]?.process ?? NO_PROCESS)
      if (process !== NO_PROCESS && compareIncarnations(core.processes.get(process).incarnation, claimed) < 0) conflicts |= 1 << replica
    }
    return conflicts
  }

  /**
   * So many other replicas say it that any majority has one of them: then it is no lie of one. Until then this volume counts
   * with none of those who say it, and goes on with the others.
   */
  private isReplaced(): boolean {
    const { core, peers } = this.options
    let sayers = this.replacedBy
    const { incarnation } = core.processes.get(core.self)
    for (const { claims, replica } of peers.all) {
      const claimed = claims.get(core.replica)
      if (claimed !== undefined && compareIncarnations(incarnation, claimed) < 0) sayers |= 1 << replica
    }
    return bitCount(sayers) >= core.replicaCount - core.quorum + 1
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
    core.setCountable(0)
    peers.closeAll()
    onRejected(message)
  }
}
