/**
 * Who durably promised and accepted which ballot of which instance, over all volumes of a run: what an outsider with a
 * view of every disk could say about what is chosen.
 */
import type { ProcessRef } from '../../src/paxos/processes.ts'

export interface Ballot {
  readonly round: number
  readonly process: ProcessRef
  /** Value of the first accept, empty before it. */
  value: string
  /** Bit r: replica r holds a promise, an accept of it durably. */
  promised: number
  accepted: number
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
    const fresh: Ballot = { round, process, value: '', promised: 0, accepted: 0 }
    ballots.push(fresh)
    return fresh
  }

  /** Replica `replica` holds the vote durably. */
  note(kind: 'promise' | 'accept', block: number, instance: number, ballot: Ballot, replica: number): void {
    if (kind === 'promise') {
      ballot.promised |= 1 << replica
      return
    }
    ballot.accepted |= 1 << replica
    if (!this.isMajority(ballot.accepted)) return
    const known = this.instance(block, instance)
    known.chosen ??= ballot
  }

  isMajority(mask: number): boolean {
    let count = 0
    for (let bits = mask; bits !== 0; bits &= bits - 1) count++
    return count >= this.quorum
  }
}
