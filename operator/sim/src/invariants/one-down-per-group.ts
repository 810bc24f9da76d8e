/** A change of pods never has two replicas of a group, both of which voted, stopped on purpose at once. */
import type { Invariant, RunView } from '../invariant.ts'
import { podDeletedByOperator, slotOf, votesOf } from '../slots.ts'
import type { Change } from '../store.ts'
import { Violation } from '../violation.ts'

export class OneDownPerGroup implements Invariant {
  readonly name = 'one-down-per-group'
  private readonly view: RunView
  /** Group → its replica that voted when it was stopped, and has not voted since. */
  private readonly stopped = new Map<string, number>()

  constructor(view: RunView) {
    this.view = view
  }

  onChange(change: Change): void {
    const pod = podDeletedByOperator(change)
    if (pod === undefined) return
    const slot = slotOf(pod)
    const votes = votesOf(this.view, slot)
    const key = `${slot.namespace}/${slot.name}/${slot.group}`
    if (votes === undefined || votes[slot.replica]?.votes !== true) return
    const other = this.stopped.get(key)
    if (other !== undefined && other !== slot.replica && votes[other]?.votes !== true) {
      throw new Violation(this.name, `${change.by} stops pod ${pod.metadata.name}, which votes, while replica ${other} is still down`)
    }
    this.stopped.set(key, slot.replica)
  }
}
