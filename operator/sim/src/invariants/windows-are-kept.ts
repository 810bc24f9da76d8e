/** A pod that votes is restarted for a change only inside the maintenance windows of its resource, if it has some. */
import { DAYS, type MaintenanceWindow } from '../../../src/api/paxos-group.ts'
import { PAXOS_GROUPS } from '../../../src/controllers/watches.ts'
import { isOpen } from '../../../src/plan/maintenance.ts'
import { canonical } from '../../../src/runtime/canonical.ts'
import type { KubeObject } from '../../../src/runtime/ports.ts'
import type { Invariant, RunView } from '../invariant.ts'
import { isEnding, podDeletedByOperator, slotOf, votesOf } from '../slots.ts'
import type { Change } from '../store.ts'
import { Violation } from '../violation.ts'

/** From the reading to the writing, and a late request. */
const UNHEARD_MS = 60_000

export class WindowsAreKept implements Invariant {
  readonly name = 'windows-are-kept'
  private readonly view: RunView
  /** Resource → its windows, and since when. */
  private readonly windows = new Map<string, { text: string; sinceMs: number }>()

  constructor(view: RunView) {
    this.view = view
  }

  onChange(change: Change): void {
    const { cluster, tier } = this.view
    if (change.resource === 'paxosgroups.thermocline.dev' && change.after !== undefined) this.noteWindows(change.after)
    const pod = podDeletedByOperator(change)
    if (pod === undefined) return
    const slot = slotOf(pod)
    if (votesOf(this.view, slot)?.[slot.replica]?.votes !== true || isEnding(this.view, slot)) return
    const windows = windowsOf(cluster.store.get(PAXOS_GROUPS, slot))
    const { sinceMs = 0 } = this.windows.get(`${slot.namespace}/${slot.name}`) ?? {}
    const { wallMs } = cluster.scheduler
    if (tier.nowMs - sinceMs < UNHEARD_MS || isOpen(windows, wallMs) || isOpen(windows, wallMs - UNHEARD_MS)) return
    throw new Violation(this.name, `${change.by} restarts pod ${pod.metadata.name}, which votes, outside of ${JSON.stringify(windows)}`)
  }

  private noteWindows(resource: KubeObject): void {
    const key = `${resource.metadata.namespace}/${resource.metadata.name}`
    const text = canonical(windowsOf(resource))
    if (this.windows.get(key)?.text !== text) this.windows.set(key, { text, sinceMs: this.view.tier.nowMs })
  }
}

function windowsOf(resource: KubeObject | undefined): readonly MaintenanceWindow[] {
  const { maintenance } = (resource?.spec ?? {}) as {
    maintenance?: { windows?: readonly (Omit<MaintenanceWindow, 'days'> & Partial<MaintenanceWindow>)[] }
  }
  // As a server would fill it in.
  return (maintenance?.windows ?? []).map((window) => ({ ...window, days: window.days ?? [...DAYS] }))
}
