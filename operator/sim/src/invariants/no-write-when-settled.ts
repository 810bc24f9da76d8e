/** When everything is as it should be operators write nothing but their lease. */
import type { Invariant } from '../invariant.ts'
import type { Change } from '../store.ts'
import { Violation } from '../violation.ts'

export class NoWriteWhenSettled implements Invariant {
  readonly name = 'no-write-when-settled'
  private isSettled = false

  onSettled(): void {
    this.isSettled = true
  }

  onChange({ resource, before, after, by }: Change): void {
    if (!this.isSettled || by === undefined || resource === 'leases.coordination.k8s.io') return
    throw new Violation(
      this.name,
      `${by} writes ${resource} ${(after ?? before)?.metadata.name}: ${JSON.stringify(before)} → ${JSON.stringify(after)}`,
    )
  }
}
