/** Whether everything is as the resources say, and if not, what is missing: what liveness means for an operator. */
import { ANNOTATIONS, claimName, LABELS, podName } from '../../src/api/names.ts'
import { type PaxosGroupSpec, type PaxosGroupStatus, paxosGroupSpecSchema } from '../../src/api/paxos-group.ts'
import { parseBytes, parseDuration } from '../../src/api/quantity.ts'
import { viewStatefulSet } from '../../src/controllers/views.ts'
import { PAXOS_GROUPS } from '../../src/controllers/watches.ts'
import type { KubeObject } from '../../src/runtime/ports.ts'
import { RESOURCES } from '../../src/runtime/resources.ts'
import { unsettledMemory } from './memory-convergence.ts'
import type { OperatorRun } from './operator-run.ts'
import { volumesOf } from './slots.ts'

const NAMESPACE = 'default'

/** What is not as it should be; undefined: all is well. */
export function unsettled(run: OperatorRun): string | undefined {
  for (const [name, wanted] of run.expected) {
    const why = wanted === 'gone' || wanted === 'retained' ? unsettledEnd(run, name, wanted) : unsettledResource(run, name, wanted)
    if (why !== undefined) return `${name}: ${why}`
  }
  return unsettledMemory(run)
}

/**
 * After a resource nothing of it is left; if its volumes are retained, they are, and what says whose they are. A pod on a node that
 * never returns is Kubernetes' to end, when somebody removes the node: until then it stays, and holds up the end of its volumes.
 */
function unsettledEnd({ cluster, tier }: OperatorRun, name: string, wanted: 'gone' | 'retained'): string | undefined {
  const kept = new Set(wanted === 'retained' ? ['PersistentVolumeClaim', 'ConfigMap'] : [])
  const isStuck = ({ kind, metadata, spec }: KubeObject): boolean =>
    kind === 'Pod' && metadata.deletionTimestamp !== undefined && !tier.isReachable((spec as { nodeName?: string }).nodeName ?? '')
  const left = cluster.store
    .everything()
    .map(({ object }) => object)
    .filter(({ kind, metadata }) => metadata.labels?.[LABELS.instance] === name || (kind === 'PaxosGroup' && metadata.name === name))
    .filter(({ kind, metadata }) => !kept.has(kind) && metadata.annotations?.[ANNOTATIONS.foreignVolume] === undefined)
  const unexpected = wanted === 'gone' && left.some(isStuck) ? [] : left.filter((object) => !isStuck(object))
  return unexpected.length === 0 ? undefined : `is left: ${unexpected.map(({ kind, metadata }) => `${kind} ${metadata.name}`).join(', ')}`
}

function unsettledResource(run: OperatorRun, name: string, wanted: 'running' | 'needs-operator'): string | undefined {
  const resource = run.cluster.store.get(PAXOS_GROUPS, { namespace: NAMESPACE, name })
  if (resource === undefined) return 'is not there'
  const status = (resource.status ?? {}) as PaxosGroupStatus
  if (status.observedGeneration !== resource.metadata.generation) return 'its status is of an older generation'
  const said = (type: string): string => {
    const found = status.conditions?.find((one) => one.type === type)
    return found === undefined ? 'nothing' : `${found.status} ${found.reason}`
  }
  if (wanted === 'needs-operator') {
    if (status.phase !== 'Degraded') return `phase is ${status.phase}`
    return said('Degraded') === 'True NeedsOperator' ? undefined : `Degraded is ${said('Degraded')}`
  }
  if (status.phase !== 'Running') return `phase is ${status.phase}: ${JSON.stringify(status)}`
  if (said('Available') !== 'True MajorityVotes') return `Available is ${said('Available')}`
  if (said('Degraded') !== 'False Healthy') return `Degraded is ${said('Degraded')}`
  if ((status.jobs ?? []).length > 0) return `has jobs: ${JSON.stringify(status.jobs)}`
  const spec = paxosGroupSpecSchema.parse(resource.spec)
  const volumes = volumesOf(run.cluster.store, { namespace: NAMESPACE, name }) ?? []
  const bytes = bytesInForce(run, name)
  const isRefused =
    spec.groups !== volumes.length ||
    spec.replicas !== volumes[0]?.length ||
    (parseBytes(spec.storage.size) ?? 0) < bytes ||
    parseDuration(spec.sliceDuration) !== sliceInForceMs(run, name)
  const accepted = said('Accepted')
  if (accepted.startsWith('False') !== isRefused)
    return `Accepted is ${accepted}; ${isRefused ? 'it asks for what cannot be' : 'nothing is wrong with it'}`
  for (const [group, row] of volumes.entries()) {
    for (const replica of row.keys()) {
      const why = unsettledSlot(run, spec, { name, group, replica, bytes: Math.max(bytes, parseBytes(spec.storage.size) ?? 0) })
      if (why !== undefined) return `replica ${replica} of group ${group} ${why}`
    }
  }
  return undefined
}

/** What the resource says besides what is refused of it. */
function unsettledSlot(
  { cluster, tier }: OperatorRun,
  spec: PaxosGroupSpec,
  { name, group, replica, bytes }: { name: string; group: number; replica: number; bytes: number },
): string | undefined {
  const at = { namespace: NAMESPACE, name: podName(name, group, replica) }
  const pod = cluster.store.get(RESOURCES.pods, at)
  if (pod === undefined) return 'has no pod'
  if (!tier.voteOf(NAMESPACE, at.name).votes) return 'does not vote'
  const [container] = (pod.spec as { containers: { image: string; resources: object }[] }).containers
  if (spec.image !== undefined && container?.image !== spec.image) return `runs ${container?.image}; expected ${spec.image}`
  if (JSON.stringify(container?.resources) !== JSON.stringify(spec.resources)) return `has ${JSON.stringify(container?.resources)}`
  const claim = cluster.store.get(RESOURCES.persistentVolumeClaims, { namespace: NAMESPACE, name: claimName(name, group, replica) })
  const size = sizeOf(claim)
  return size !== undefined && size >= bytes ? undefined : `has a claim of ${size} bytes; expected ${bytes}`
}

function sliceInForceMs({ tier }: OperatorRun, name: string): number | undefined {
  return tier.nodes().find(({ start }) => start.pod.metadata.labels?.[LABELS.instance] === name)?.topology?.sliceDurationMs
}

/** What the StatefulSets of a resource make volumes of. A growth that was taken back half way leaves some that are larger. */
function bytesInForce({ cluster }: OperatorRun, name: string): number {
  const sets = cluster.store.all(RESOURCES.statefulSets).filter(({ metadata }) => metadata.labels?.[LABELS.instance] === name)
  return Math.max(0, ...sets.map((set) => viewStatefulSet(set).claimBytes))
}

const sizeOf = (claim: KubeObject | undefined): number | undefined =>
  parseBytes((claim?.spec as { resources: { requests: { storage: string } } } | undefined)?.resources.requests.storage ?? '')
