/**
 * A pod is restarted for a change only if the resource says something else of pods than when the pod was made: neither a
 * restart of the operator nor another release of it is a reason.
 */
import { ANNOTATIONS } from '../../../src/api/names.ts'
import { paxosGroupSpecSchema } from '../../../src/api/paxos-group.ts'
import { PAXOS_GROUPS } from '../../../src/controllers/paxos-group/watches.ts'
import type { KubeObject } from '../../../src/runtime/ports.ts'
import { RESOURCES } from '../../../src/runtime/resources.ts'
import { specHashOf } from '../../../src/specs/stateful-set.ts'
import type { Invariant, RunView } from '../invariant.ts'
import { podDeletedByOperator, slotOf } from '../slots.ts'
import type { Change } from '../store.ts'
import { Violation } from '../violation.ts'

export class RestartsOnlyWhenAsked implements Invariant {
  readonly name = 'restarts-only-when-asked'
  private readonly view: RunView
  /** Resource → how often what it says of pods has changed. */
  private readonly changes = new Map<string, { hash: string; count: number }>()
  /** Pod uid → the count when it was made. */
  private readonly made = new Map<string, number>()
  private readonly forced = new Set<string>()

  constructor(view: RunView) {
    this.view = view
  }

  onAsk({ step, args }: { step: string; args: readonly unknown[] }): void {
    if (step === 'remove pod') this.forced.add((args[2] as { uid: string }).uid)
  }

  onChange(change: Change): void {
    const { resource, before, after } = change
    if (resource === 'paxosgroups.thermocline.dev' && after !== undefined) this.noteResource(after)
    if (resource === 'pods' && before === undefined && after !== undefined) this.notePod(after)
    const pod = podDeletedByOperator(change)
    if (pod === undefined || this.forced.has(pod.metadata.uid ?? '')) return
    const { namespace, name } = slotOf(pod)
    if (this.view.cluster.store.get(PAXOS_GROUPS, { namespace, name }) === undefined) return
    if ((this.changes.get(`${namespace}/${name}`)?.count ?? 0) > (this.made.get(pod.metadata.uid ?? '') ?? 0)) return
    throw new Violation(
      this.name,
      `${change.by} restarts pod ${pod.metadata.name}, made from ${pod.metadata.annotations?.[ANNOTATIONS.templateHash]}, and nobody has asked for another`,
    )
  }

  private noteResource({ metadata: { namespace, name }, spec }: KubeObject): void {
    const parsed = paxosGroupSpecSchema.safeParse(spec)
    if (!parsed.success) return
    const hash = specHashOf({ spec: parsed.data })
    const key = `${namespace}/${name}`
    const known = this.changes.get(key)
    if (known?.hash !== hash) this.changes.set(key, { hash, count: (known?.count ?? 0) + 1 })
  }

  /** Its StatefulSet may be older than what the resource says now: then it is of the change before. */
  private notePod(pod: KubeObject): void {
    const { namespace, name, group } = slotOf(pod)
    const known = this.changes.get(`${namespace}/${name}`)
    const set = this.view.cluster.store.get(RESOURCES.statefulSets, { namespace, name: `${name}-g${group}` })
    const isCurrent = set?.metadata.annotations?.[ANNOTATIONS.specHash] === known?.hash
    this.made.set(pod.metadata.uid ?? '', (known?.count ?? 0) - (isCurrent ? 0 : 1))
  }
}
