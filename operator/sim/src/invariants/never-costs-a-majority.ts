/**
 * No pod that an operator deletes takes its group from having a majority of voters to not having one. A replica that others took
 * away (a node lost power, a person deleted a pod) is not held against an operator that could not have heard of it yet; one
 * that an operator took away itself always is.
 */
import type { Invariant, RunView } from '../invariant.ts'
import { isMajority, podDeletedByOperator, slotOf, votesOf } from '../slots.ts'
import type { Change } from '../store.ts'
import { Violation } from '../violation.ts'

/** A kubelet's silence is noticed after 40 s; a request may be late by a little more. */
const UNHEARD_MS = 60_000

export class NeverCostsAMajority implements Invariant {
  readonly name = 'never-costs-a-majority'
  private readonly view: RunView
  /** Slots that operators took away, until they vote again. */
  private readonly taken = new Set<string>()

  constructor(view: RunView) {
    this.view = view
  }

  onChange(change: Change): void {
    const pod = podDeletedByOperator(change)
    if (pod === undefined) return
    const slot = slotOf(pod)
    const votes = votesOf(this.view, slot)
    if (votes === undefined) return
    const { nowMs } = this.view.tier
    const keyOf = (replica: number): string => `${slot.namespace}/${slot.name}/${slot.group}/${replica}`
    votes.forEach(({ votes: is }, replica) => void (is && this.taken.delete(keyOf(replica))))
    const voting = votes.map(({ votes: is }) => is)
    const left = voting.filter((is, replica) => is && replica !== slot.replica).length
    const mayCount = votes.filter(
      ({ votes: is, lastMs }, replica) =>
        replica !== slot.replica && (is || (nowMs - lastMs < UNHEARD_MS && !this.taken.has(keyOf(replica)))),
    ).length
    const had = isMajority(voting.filter(Boolean).length, votes.length)
    this.taken.add(keyOf(slot.replica))
    if (!had || isMajority(left, votes.length) || isMajority(mayCount, votes.length)) return
    throw new Violation(
      this.name,
      `${change.by} deletes pod ${pod.metadata.name}; voted in the group: ${voting.map((is) => (is ? 'yes' : 'no')).join(', ')}`,
    )
  }
}
