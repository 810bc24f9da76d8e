/**
 * Who durably promised and accepted which ballot of which instance, over all volumes of a run: what an outsider with a
 * view of every disk could say about what is chosen.
 *
 * A vote is its incarnation's, not its replica's: beside a vote that was cast by somebody who named a later incarnation it
 * makes no quorum (⚖5). What counts is what the voter named when it cast the vote; the frame that carries the vote may name
 * more, so that the protocol counts no vote which is not counted here.
 */
import { compareIncarnations, type Incarnation } from '@thermocline/protocol'
import type { ProcessRef } from '../../src/paxos/processes.ts'

/** The latest incarnation of each replica that somebody knows. */
export type Names = ReadonlyMap<number, Incarnation>

export interface HeldVote {
  readonly replica: number
  readonly incarnation: Incarnation
  /** What the voter named when it cast the vote. */
  readonly names: Names
}

export interface Ballot {
  readonly round: number
  readonly process: ProcessRef
  /** Value of the first accept, empty before it. */
  value: string
  /** Promises and accepts of it that are durable. */
  readonly promised: HeldVote[]
  readonly accepted: HeldVote[]
}

export interface Instance {
  readonly ballots: Ballot[]
  /** The first ballot that a majority had accepted durably. */
  chosen: Ballot | undefined
}

const INSTANCES_PER_BLOCK = 2 ** 32

export class BallotLedger {
  private readonly instances = new Map<number, Instance>()
  private readonly quorum: number

  constructor(replicaCount: number) {
    this.quorum = (replicaCount >> 1) + 1
  }

  instance(block: number, instance: number): Instance {
    const key = block * INSTANCES_PER_BLOCK + instance
    const known = this.instances.get(key)
    if (known !== undefined) return known
    const fresh: Instance = { ballots: [], chosen: undefined }
    this.instances.set(key, fresh)
    return fresh
  }

  ballot(block: number, instance: number, round: number, process: ProcessRef): Ballot {
    const { ballots } = this.instance(block, instance)
    for (const ballot of ballots) if (ballot.round === round && ballot.process === process) return ballot
    const fresh: Ballot = { round, process, value: '', promised: [], accepted: [] }
    ballots.push(fresh)
    return fresh
  }

  /** The voter holds the vote durably. */
  note(kind: 'promise' | 'accept', block: number, instance: number, ballot: Ballot, vote: HeldVote): void {
    const held = kind === 'promise' ? ballot.promised : ballot.accepted
    // A vote that is copied forward in the log was cast before.
    if (heldBy(held, vote) !== undefined) return
    held.push(vote)
    if (kind === 'promise') return
    const known = this.instance(block, instance)
    if (known.chosen === undefined && this.isMajority(held)) known.chosen = ballot
  }

  /** Some of the votes may be counted together, and make a majority. */
  isMajority(votes: readonly HeldVote[]): boolean {
    return new Set(votes.map(({ replica }) => replica)).size >= this.quorum && this.extend([], votes)
  }

  private extend(members: readonly HeldVote[], left: readonly HeldVote[]): boolean {
    if (members.length >= this.quorum) return true
    const [next, ...others] = left
    if (next === undefined) return false
    const fits = members.every(
      (member) => member.replica !== next.replica && !isReplaced(member, next.names) && !isReplaced(next, member.names),
    )
    return (fits && this.extend([...members, next], others)) || this.extend(members, others)
  }
}

/** The vote that this very incarnation holds. */
export function heldBy(votes: readonly HeldVote[], voter: Pick<HeldVote, 'replica' | 'incarnation'>): HeldVote | undefined {
  return votes.find(({ replica, incarnation }) => replica === voter.replica && compareIncarnations(incarnation, voter.incarnation) === 0)
}

/** Somebody who knows `names` knows a later incarnation of the replica. */
export function isReplaced({ replica, incarnation }: Pick<HeldVote, 'replica' | 'incarnation'>, names: Names): boolean {
  const named = names.get(replica)
  return named !== undefined && compareIncarnations(incarnation, named) < 0
}

export function formatVoter({ replica, incarnation }: Pick<HeldVote, 'replica' | 'incarnation'>): string {
  return `${replica}.${incarnation.number}`
}
