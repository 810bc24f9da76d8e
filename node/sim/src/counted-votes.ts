/** Whose votes a proposer has taken for each running attempt, seen from outside: it keeps them by replica, not by incarnation. */
import type { Incarnation } from '@thermocline/protocol'
import { type BlockState, Phase } from '../../src/paxos/block-state.ts'
import type { ProcessRef } from '../../src/paxos/processes.ts'
import type { Replica } from '../../src/replica/replica.ts'
import type { CountedVote } from './invariant.ts'

/** Incarnations of the processes that the votes of a block's attempt came from. */
interface Senders {
  readonly instance: number
  readonly round: number
  readonly phase: number
  readonly incarnations: (Incarnation | undefined)[]
}

/** Called when a vote was taken, when it may count or not any more, and before what a majority of votes has chosen is learned. */
type OnCounted = (state: BlockState, votes: readonly CountedVote[]) => void

export class CountedVotes {
  private readonly replica: Replica
  private readonly onCounted: OnCounted
  private readonly senders = new Map<number, Senders>()

  constructor(replica: Replica, onCounted: OnCounted) {
    this.replica = replica
    this.onCounted = onCounted
    this.followVotes()
    this.followMajorities()
  }

  private followVotes(): void {
    const { proposer } = this.replica
    const onPromise = proposer.onPromise.bind(proposer)
    proposer.onPromise = (from, block, instance, round, ...rest) => {
      this.noteSender(from, block, instance, Phase.preparing)
      onPromise(from, block, instance, round, ...rest)
      this.show(block)
    }
    const onAccepted = proposer.onAccepted.bind(proposer)
    proposer.onAccepted = (from, block, instance, round) => {
      this.noteSender(from, block, instance, Phase.accepting)
      onAccepted(from, block, instance, round)
      this.show(block)
    }
  }

  private followMajorities(): void {
    const { proposer, core, members } = this.replica
    const beforeChosen = proposer.beforeChosen.bind(proposer)
    proposer.beforeChosen = (state, valueProcess, valueCounter) => {
      const isOwn = state.phase === Phase.accepting && valueProcess === state.valueProcess && valueCounter === state.valueCounter
      // The vote that completes a majority ends the attempt: nobody sees it afterwards.
      if (isOwn && core.isQuorum(state.votes)) this.show(state.block)
      return beforeChosen(state, valueProcess, valueCounter)
    }
    const onPeerReady = proposer.onPeerReady.bind(proposer)
    proposer.onPeerReady = (peer) => {
      // What the process before it on the other end had voted counts again, if it is the same volume's.
      for (const state of core.open) if ((state.votes & (1 << peer)) !== 0) this.show(state.block)
      onPeerReady(peer)
    }
    // While a peer is being taken in, what the process before it had voted is about to be forgotten.
    let isTaking = false
    const take = members.take.bind(members)
    members.take = (...args) => {
      isTaking = true
      const isOther = take(...args)
      isTaking = false
      return isOther
    }
    const update = members.update.bind(members)
    members.update = () => {
      update()
      if (isTaking) return
      for (const state of core.open) if (state.votes !== 0) this.show(state.block)
    }
  }

  private noteSender(from: number, block: number, instance: number, phase: number): void {
    const { core } = this.replica
    const state = core.peek(block)
    if (state === undefined || instance !== state.chosen + 1 || phase !== state.phase) return
    this.sendersOf(state).incarnations[from] = core.processes.get(core.peerProcess[from] as ProcessRef).incarnation
  }

  private sendersOf(state: BlockState): Senders {
    const { block, round, phase } = state
    const instance = state.chosen + 1
    const known = this.senders.get(block)
    if (known?.instance === instance && known.round === round && known.phase === phase) return known
    const fresh: Senders = { instance, round, phase, incarnations: [] }
    this.senders.set(block, fresh)
    return fresh
  }

  private show(block: number): void {
    const { core } = this.replica
    const state = core.block(block)
    if (state.phase !== Phase.preparing && state.phase !== Phase.accepting) return
    const { incarnations } = this.sendersOf(state)
    const votes: CountedVote[] = []
    const counted = core.counted(state.votes)
    for (let replica = 0; replica < core.replicaCount; replica++) {
      if ((state.votes & (1 << replica)) === 0) continue
      const incarnation = replica === core.replica ? core.processes.get(core.self).incarnation : incarnations[replica]
      if (incarnation !== undefined) votes.push({ replica, incarnation, isCountable: (counted & (1 << replica)) !== 0 })
    }
    this.onCounted(state, votes)
  }
}
