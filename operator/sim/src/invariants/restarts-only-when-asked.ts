/**
 * A pod is restarted for a change only if the resource says something else of pods than when the pod was made: neither a
 * restart of the operator nor another release of it is a reason.
 */
import { ANNOTATIONS, groupName } from '../../../src/api/names.ts'
import { parseBytes } from '../../../src/api/quantity.ts'
import { PAXOS_GROUPS } from '../../../src/controllers/watches.ts'
import { canonical } from '../../../src/runtime/canonical.ts'
import type { KubeObject } from '../../../src/runtime/ports.ts'
import { RESOURCES } from '../../../src/runtime/resources.ts'
import type { Invariant, RunView } from '../invariant.ts'
import { isSame } from '../same.ts'
import { isEnding, podDeletedByOperator, slotOf } from '../slots.ts'
import type { Change } from '../store.ts'
import { Violation } from '../violation.ts'

export class RestartsOnlyWhenAsked implements Invariant {
  readonly name = 'restarts-only-when-asked'
  private readonly view: RunView
  /** Resource → how often what it says of pods has changed. */
  private readonly changes = new Map<string, { says: string; count: number }>()
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
    if (isEnding(this.view, { namespace, name })) return
    if ((this.changes.get(`${namespace}/${name}`)?.count ?? 0) > (this.made.get(pod.metadata.uid ?? '') ?? 0)) return
    throw new Violation(
      this.name,
      `${change.by} restarts pod ${pod.metadata.name}, made from ${pod.metadata.annotations?.[ANNOTATIONS.templateHash]}, and nobody has asked for another`,
    )
  }

  private noteResource({ metadata: { namespace, name }, spec }: KubeObject): void {
    const { image, imagePullPolicy, limits, podTemplate, replicas, resources, storage, versionCache, zones } = (spec ?? {}) as Spec
    const says = canonical({
      image,
      imagePullPolicy,
      limits,
      podTemplate,
      replicas,
      resources,
      size: bytesOf(storage?.size),
      versionCache,
      zones,
    })
    const key = `${namespace}/${name}`
    const known = this.changes.get(key)
    if (known?.says !== says) this.changes.set(key, { says, count: (known?.count ?? 0) + 1 })
  }

  /** Its StatefulSet may be older than what the resource says now: then it is of the change before. */
  private notePod(pod: KubeObject): void {
    const { namespace, name, group } = slotOf(pod)
    const { store } = this.view.cluster
    const spec = (store.get(PAXOS_GROUPS, { namespace, name })?.spec ?? {}) as Spec
    const set = store.get(RESOURCES.statefulSets, { namespace, name: groupName(name, group) })
    const [template] = ((set?.spec ?? {}) as SetSpec).volumeClaimTemplates ?? []
    const [container] = (pod.spec as PodSpec).containers
    const isCurrent =
      (spec.image === undefined || spec.image === container?.image) &&
      (spec.resources === undefined || isSame(spec.resources, container?.resources)) &&
      (spec.storage?.size === undefined || bytesOf(spec.storage.size) === bytesOf(template?.spec.resources.requests.storage))
    const count = this.changes.get(`${namespace}/${name}`)?.count ?? 0
    this.made.set(pod.metadata.uid ?? '', isCurrent ? count : count - 1)
  }
}

const bytesOf = (size = ''): number | undefined => parseBytes(size)

type Spec = Readonly<Record<string, unknown>> & { readonly storage?: { readonly size?: string } }

interface SetSpec {
  readonly volumeClaimTemplates?: readonly { readonly spec: { readonly resources: { readonly requests: { readonly storage: string } } } }[]
}

interface PodSpec {
  readonly containers: readonly { readonly image?: string; readonly resources?: unknown }[]
}
