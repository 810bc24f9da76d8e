/**
 * One pass over a MemoryGroup, from its key: read, decide, write the status, act, report. It has no finalizer: its machines hold nothing
 * that counts, so when it goes the PaxosGroup's next topology is without them and Kubernetes collects what it owns, in whichever order.
 */
import { type MemoryGroupStatus, memoryGroupStatusSchema } from '../../api/memory-group.ts'
import { LABELS } from '../../api/names.ts'
import { acceptMemorySpec, refuseReference } from '../../plan/memory-acceptance.ts'
import { makeMemoryPlan } from '../../plan/memory-plan.ts'
import { refusedMemoryStatus } from '../../plan/memory-status.ts'
import { atOfKey, type KubeObject, type Outcome } from '../../runtime/mod.ts'
import type { MemoryTier } from '../../specs/memory-tier.ts'
import { applyStatus } from '../apply-status.ts'
import type { ReconcileContext } from '../context.ts'
import { servingGroup } from '../memory-groups.ts'
import { tellConditions } from '../tell-conditions.ts'
import { cached, MEMORY_GROUPS } from '../watches.ts'
import { observeMemoryGroup } from './observe.ts'
import { performMemoryAction } from './perform.ts'
import { tellMemoryAction, tellTopology } from './tell.ts'

export async function reconcileMemoryGroup(context: ReconcileContext, key: string): Promise<Outcome> {
  const at = atOfKey(key)
  const { namespace = '', name } = at
  const resource = await context.kube.get(MEMORY_GROUPS, at)
  if (resource === undefined) context.metrics.forgetMemoryGroup(namespace, name)
  if (resource === undefined || resource.metadata.deletionTimestamp !== undefined) return { result: 'done', changed: false }
  const before = readStatus(resource)
  const { generation = 0, uid = '' } = resource.metadata
  const accepted = acceptMemorySpec(resource, context.podTemplateGrants)
  const served = 'spec' in accepted ? { namespace, name: accepted.spec.paxosGroupRef.name } : undefined
  const refusal = 'spec' in accepted ? refuseReference(name, referenceOf(context, resource, accepted.spec.paxosGroupRef.name)) : accepted
  if (!('spec' in accepted) || served === undefined || refusal !== undefined) {
    const status = refusedMemoryStatus(before, refusal as NonNullable<typeof refusal>, context.clock.wallMs(), generation)
    const changed = await writeStatus(context, resource, before, status)
    tellConditions(context, resource, before, status)
    return { result: 'done', changed, report: { refused: refusal?.message } }
  }
  const { spec } = accepted
  const observed = await observeMemoryGroup(context, { namespace, name, spec, status: before, generation })
  const tier: MemoryTier = {
    kind: 'MemoryGroup',
    name,
    namespace,
    uid,
    spec,
    clusterId: observed.storage?.clusterId ?? clusterIdOf(cached(context.watches.paxosGroups, served)),
    clusterDomain: context.clusterDomain,
    defaultImage: context.defaultImage,
    policyVersion: context.policyVersion,
  }
  const plan = makeMemoryPlan(tier, observed)
  const isWritten = await writeStatus(context, resource, before, plan.status)
  tellConditions(context, resource, before, plan.status)
  tellTopology(context, resource, { spec, before, now: plan.status })
  const done: Record<string, number> = {}
  const { phase, topologyEpoch: epoch, ready } = plan.status
  const report = { phase, epoch, ready, status: isWritten ? 'written' : 'as it was', done }
  try {
    for (const action of plan.actions) {
      if (!context.isLeading()) return { result: 'failed', error: new Error('another operator may lead'), report }
      if (!(await performMemoryAction(context, { namespace, name, paxosGroup: served.name }, action))) continue
      done[action.do] = (done[action.do] ?? 0) + 1
      tellMemoryAction(context, resource, action)
    }
  } catch (error) {
    return { result: 'failed', error, report }
  }
  return { result: 'again', afterMs: plan.againAfterMs, changed: isWritten || Object.keys(done).length > 0, report }
}

function referenceOf({ watches }: ReconcileContext, { metadata }: KubeObject, paxosGroup: string): Parameters<typeof refuseReference>[1] {
  const at = { namespace: metadata.namespace, name: paxosGroup }
  const made = watches.statefulSets
    .flatMap((informer) => informer.all())
    .find((set) => set.metadata.ownerReferences?.some(({ uid }) => uid === metadata.uid) === true)
  const found = cached(watches.paxosGroups, at)
  const storage = found === undefined ? 'absent' : found.metadata.deletionTimestamp === undefined ? 'there' : 'deleting'
  const madeFor = made?.metadata.labels?.[LABELS.paxosGroup]
  return { paxosGroup, storage, serving: servingGroup(watches, at)?.metadata.name, madeFor }
}

const clusterIdOf = (resource: KubeObject | undefined): string => (resource?.status as { clusterId?: string } | undefined)?.clusterId ?? ''

/** What an older operator wrote and this one can't read counts as nothing. */
function readStatus({ status }: KubeObject): MemoryGroupStatus {
  const parsed = memoryGroupStatusSchema.safeParse(status ?? {})
  return parsed.success ? parsed.data : {}
}

async function writeStatus(
  { kube, metrics }: Pick<ReconcileContext, 'kube' | 'metrics'>,
  resource: KubeObject,
  before: MemoryGroupStatus,
  status: MemoryGroupStatus,
): Promise<boolean> {
  const { namespace = '', name } = resource.metadata
  const machines = status.groupStatuses?.flatMap((group) => group.machines) ?? []
  metrics.setMemoryGroup(namespace, name, {
    machines: machines.length,
    ready: machines.filter(({ ready }) => ready).length,
    listed: machines.filter(({ listed }) => listed).length,
    conditions: Object.fromEntries((status.conditions ?? []).map((condition) => [condition.type, condition.status])),
  })
  return await applyStatus(kube, MEMORY_GROUPS, resource, { before, status })
}
