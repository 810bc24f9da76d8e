/**
 * What a replica tells its peers without being asked: what was chosen, how far it is, and that it lives.
 *
 * A notice of what was chosen leaves with frames that leave anyway, since a frame of its own costs each peer a turn; alone it
 * leaves when many wait, when peers read, and with the next heartbeat at the latest. Where peers read it does not wait: what a
 * peer has not been told, it can mostly prove to a read, but if its own vote or the other's was not durable in time, the read
 * waits for the notice.
 */
import { HEARTBEAT_MS, MANY_NOTICES } from '../paxos/constants.ts'
import type { Core } from '../paxos/core.ts'
import type { Peers } from './peers.ts'

/** Positions are sent to one peer no more often: all of them are as long as half a megabyte. */
const POSITIONS_PAUSE_MS = 250

export class Notices {
  private readonly core: Core
  private readonly peers: Peers
  private lastHeartbeatMs = 0
  private readonly positionsSentMs: number[]
  /** Bit r: replica r has asked for positions sooner than they may be sent again. */
  private positionsOwed = 0

  constructor(core: Core, peers: Peers) {
    this.core = core
    this.peers = peers
    this.positionsSentMs = new Array(core.replicaCount).fill(Number.NEGATIVE_INFINITY)
  }

  /** Called at the end of a turn: every peer gets a frame anyway. */
  onTurn(): void {
    if (this.core.notices.length > 0 && this.peers.allAreWritten()) this.send()
  }

  sweep(havePeersRead: boolean): void {
    if (this.core.notices.length >= MANY_NOTICES || havePeersRead) this.send()
    if (this.core.nowMs - this.lastHeartbeatMs >= HEARTBEAT_MS) this.heartbeat()
    if (this.positionsOwed !== 0) for (const { replica } of this.peers.all) if (this.owes(replica)) this.answerPositions(replica)
  }

  private owes(replica: number): boolean {
    return (this.positionsOwed & (1 << replica)) !== 0
  }

  send(): void {
    const { core } = this
    for (const state of core.notices) {
      if (!state.noticePending) continue
      state.noticePending = false
      for (let replica = 0; replica < core.replicaCount; replica++) {
        const out = this.peers.now(replica)
        if (out !== undefined) this.peers.messages.chosen(out, state.block, state.chosen, state.chosenProcess, state.chosenCounter)
      }
    }
    core.notices = []
  }

  private heartbeat(): void {
    this.lastHeartbeatMs = this.core.nowMs
    this.send()
    for (const peer of this.peers.all) {
      const out = this.peers.now(peer.replica)
      if (out !== undefined) this.peers.messages.heartbeat(out, this.core.chosenTotal, this.core.chosenHash >>> 0, this.core.votes)
    }
  }

  /** Tells a peer that has just connected where this replica is. */
  sendPositions(to: number): void {
    this.positionsSentMs[to] = this.core.nowMs
    this.positionsOwed &= ~(1 << to)
    for (const state of this.core.known) {
      const out = this.peers.now(to)
      if (out !== undefined && state.chosen > 0) this.peers.messages.position(out, state.block, state.chosen)
    }
  }

  /**
   * A peer asks for them: it gets them after the pause, if it has just had them. It asks once when it begins to take part, and what
   * came before that meant nothing to it.
   */
  answerPositions(to: number): void {
    if (this.core.nowMs - (this.positionsSentMs[to] as number) >= POSITIONS_PAUSE_MS) this.sendPositions(to)
    else this.positionsOwed |= 1 << to
  }
}
