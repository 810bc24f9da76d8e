/** `Available=True` is never sent to the server unless, when the pass read, a majority of every group truly voted. */
import type { KubeObject } from '../../../src/runtime/ports.ts'
import type { Invariant, RunView } from '../invariant.ts'
import type { Ask } from '../sim-operator.ts'
import { isEnding, isMajority, volumesOf, votesOf } from '../slots.ts'
import { Violation } from '../violation.ts'

/** From the first answer of a read pass to its end: twice the time-out of a question to the nodes, and a tick of theirs. */
const READ_MS = 4500

export class AvailableIsTrueToVoters implements Invariant {
  readonly name = 'available-is-true-to-voters'
  private readonly view: RunView

  constructor(view: RunView) {
    this.view = view
  }

  onAsk({ step, args }: Ask): void {
    if (step !== 'write status') return
    const { metadata, status } = args[1] as KubeObject
    const { conditions = [] } = status as { conditions?: { type: string; status: string }[] }
    if (conditions.find(({ type }) => type === 'Available')?.status !== 'True') return
    const { namespace = '', name } = metadata
    // Its ConfigMap may have gone first.
    if (isEnding(this.view, { namespace, name })) return
    const groups = volumesOf(this.view.cluster.store, { namespace, name })
    if (groups === undefined) throw new Violation(this.name, `${name} is called available before its slots were filled`)
    const { nowMs } = this.view.tier
    for (const group of groups.keys()) {
      const votes = votesOf(this.view, { namespace, name, group }) ?? []
      const voted = votes.filter(({ votes: is, lastMs }) => is || nowMs - lastMs <= READ_MS).length
      if (!isMajority(voted, votes.length)) {
        throw new Violation(this.name, `${name} is called available; in group ${group} ${voted} of ${votes.length} voted`)
      }
    }
  }
}
