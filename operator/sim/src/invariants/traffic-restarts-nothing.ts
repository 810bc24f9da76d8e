/**
 * The pods of a memory group are changed only when its resource says something else of them: not for traffic, split point, warm-up,
 * replicas or groups, and not by another release of the operator.
 */
import { LABELS, MEMORY } from '../../../src/api/names.ts'
import { MEMORY_GROUPS } from '../../../src/controllers/watches.ts'
import { canonical } from '../../../src/runtime/canonical.ts'
import type { KubeObject } from '../../../src/runtime/ports.ts'
import type { Invariant, RunView } from '../invariant.ts'
import { isSame } from '../same.ts'
import type { Change } from '../store.ts'
import { Violation } from '../violation.ts'

export class TrafficRestartsNothing implements Invariant {
  readonly name = 'traffic-restarts-nothing'
  private readonly view: RunView
  /** StatefulSet → what its resource said when its template was last applied, if the template was of that. */
  private readonly applied = new Map<string, string>()

  constructor(view: RunView) {
    this.view = view
  }

  onChange({ resource, before, after, by }: Change): void {
    if (resource !== 'statefulsets.apps' || by === undefined || after?.metadata.labels?.[LABELS.component] !== MEMORY) return
    const { namespace, name, labels, uid } = after.metadata
    const found = this.view.cluster.store.get(MEMORY_GROUPS, { namespace, name: labels[LABELS.instance] ?? '' })
    const template = templateOf(after)
    if (found === undefined || (before !== undefined && isSame(templateOf(before), template))) return
    const says = saidOf(found)
    const key = `${namespace}/${name} ${uid} ${found.metadata.uid}`
    if (before !== undefined && this.applied.get(key) === says)
      throw new Violation(this.name, `${by} changes the pods of ${name}, of which its resource says what it said before: ${says}`)
    if (isOf(template, found)) this.applied.set(key, says)
    else this.applied.delete(key)
  }
}

interface Template {
  readonly spec: {
    readonly containers: readonly { readonly image: string; readonly resources: unknown; readonly args: readonly string[] }[]
  }
}

const templateOf = ({ spec }: KubeObject): Template => (spec as { template: Template }).template

function saidOf({ spec }: KubeObject): string {
  const { image, imagePullPolicy, podTemplate, resources, zones, cache, warmUp } = spec as Readonly<Record<string, unknown>>
  return canonical({
    image,
    imagePullPolicy,
    podTemplate,
    resources,
    zones,
    cache,
    prefetch: (warmUp as { prefetch?: boolean } | undefined)?.prefetch,
  })
}

/** Made from what the resource says now; it may have said something else when it was read. */
function isOf(template: Template, { spec }: KubeObject): boolean {
  const { image } = spec as { image?: string }
  const found = template.spec.containers[0]?.image
  return image === undefined ? found?.startsWith('default:') === true : found === image
}
