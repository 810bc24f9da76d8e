/**
 * One pass over a PaxosGroup, from its key: read, decide, write the status, act, report. The status goes first: it says where each
 * job stands before its step is done.
 */
import { bootstrapName } from '../../api/names.ts'
import { type PaxosGroupStatus, paxosGroupStatusSchema } from '../../api/paxos-group.ts'
import { adminToken } from '../../cluster-admin/token.ts'
import { acceptSpec } from '../../plan/acceptance.ts'
import { type Action, makePlan } from '../../plan/plan.ts'
import { refusedStatus } from '../../plan/status.ts'
import { atOfKey, isAlreadyExists, type KubeObject, type Outcome, RESOURCES, randomHex } from '../../runtime/mod.ts'
import type { Cluster } from '../../specs/cluster.ts'
import { metaOf } from '../../specs/object.ts'
import { applyStatus } from '../apply-status.ts'
import type { ReconcileContext } from '../context.ts'
import { tellConditions } from '../tell-conditions.ts'
import { PAXOS_GROUPS } from '../watches.ts'
import { remove, removeOrphans } from './deletion.ts'
import { hasFinalizer, setFinalizer } from './finalizer.ts'
import { CLUSTER_ID_KEY, clusterIdOfClaims, observe, type Subject } from './observe.ts'
import { type Done, type PerformSubject, perform } from './perform.ts'
import { tellAction, tellRecoveries } from './tell.ts'

const CLUSTER_ID_DIGITS = 32
/** Until the cache shows that they are gone. */
const ORPHANS_AGAIN_MS = 5000

export async function reconcile(context: ReconcileContext, key: string): Promise<Outcome> {
  const at = atOfKey(key)
  const resource = await context.kube.get(PAXOS_GROUPS, at)
  const { namespace = '', name } = at
  if (resource === undefined) {
    context.metrics.forgetPaxosGroup(namespace, name)
    const changed = await removeOrphans(context, { namespace, name })
    return changed ? { result: 'again', afterMs: ORPHANS_AGAIN_MS, changed } : { result: 'done', changed }
  }
  const status = readStatus(resource)
  const accepted = acceptSpec({ metadata: resource.metadata, spec: resource.spec }, context.podTemplateGrants)
  if (resource.metadata.deletionTimestamp !== undefined) return await remove(context, resource)
  if (!('spec' in accepted)) {
    const refused = refusedStatus(status, accepted, context.clock.wallMs(), resource.metadata.generation ?? 0)
    return { result: 'done', changed: await writeStatus(context, resource, status, refused), report: { refused: accepted.message } }
  }
  const { spec } = accepted
  if (hasFinalizer(resource) !== (spec.storage.retentionPolicy === 'Delete')) {
    await setFinalizer(context.kube, resource, !hasFinalizer(resource))
    return { result: 'again', afterMs: 0, changed: true }
  }
  const subject: Subject = { namespace, name, spec, status, generation: resource.metadata.generation ?? 0 }
  const observed = await observe(context, subject)
  const clusterId = observed.bootstrap?.clusterId ?? clusterIdOfClaims(context.watches, at) ?? randomHex(context.random, CLUSTER_ID_DIGITS)
  const cluster: Cluster = {
    kind: 'PaxosGroup',
    name,
    namespace,
    uid: resource.metadata.uid ?? '',
    spec,
    clusterId,
    clusterDomain: context.clusterDomain,
    defaultImage: context.defaultImage,
    policyVersion: context.policyVersion,
  }
  if (observed.bootstrap === undefined && !spec.paused) {
    // The id is durable before any volume carries it.
    await createBootstrap(context, cluster)
    return { result: 'again', afterMs: 0, changed: true, report: { clusterId } }
  }
  const token = adminToken(context.tokenKey, cluster)
  const plan = makePlan(cluster, observed, token)
  const isWritten = await writeStatus(context, resource, status, plan.status)
  tellConditions(context, resource, status, plan.status)
  tellRecoveries(context, resource, status, plan.status)
  const done: Record<string, number> = {}
  const { phase, topologyEpoch: epoch, votersSummary: voters } = plan.status
  const report = { phase, epoch, voters, status: isWritten ? 'written' : 'as it was', done }
  try {
    const performSubject = { namespace, name, token, observed, clusterId, zoneKey: spec.zones.topologyKey }
    for (const action of plan.actions) {
      if (!context.isLeading()) return { result: 'failed', error: new Error('another operator may lead'), report }
      const { changed } = await attempt(context, performSubject, action, resource)
      if (!changed) continue
      done[action.do] = (done[action.do] ?? 0) + 1
      tellAction(context, resource, action)
    }
  } catch (error) {
    return { result: 'failed', error, report }
  }
  return { result: 'again', afterMs: plan.againAfterMs, changed: isWritten || Object.keys(done).length > 0, report }
}

/** A node that doesn't do what it is asked is asked again in the next pass; it holds up nothing that the others wait for. */
async function attempt(context: ReconcileContext, subject: PerformSubject, action: Action, object: KubeObject): Promise<Done> {
  try {
    return await perform(context, subject, action)
  } catch (error) {
    if (action.do !== 'putTopology' && action.do !== 'setVolumeAside') throw error
    const { group, replica } = action
    const what = action.do === 'putTopology' ? `epoch ${action.topology.epoch}` : 'moving its volume’s content aside'
    const at = { namespace: subject.namespace, name: subject.name, group, replica, what }
    context.log.warn({ ...at, error: String(error) }, 'a node has not done what it was asked; it is asked again')
    if (action.do === 'setVolumeAside') {
      const message = `replica ${replica} of group ${group}: ${(error as Error).message}`
      context.events.record({ object, type: 'Warning', reason: 'VolumeNotSetAside', message })
    }
    return { action, changed: false }
  }
}

/** What an older operator wrote and this one can't read counts as nothing. */
function readStatus({ status }: KubeObject): PaxosGroupStatus {
  const parsed = paxosGroupStatusSchema.safeParse(status ?? {})
  return parsed.success ? parsed.data : {}
}

async function createBootstrap({ kube }: ReconcileContext, cluster: Cluster): Promise<void> {
  const object = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    // Volumes outlive the resource, and so must what says whose they are.
    metadata: metaOf(cluster, bootstrapName(cluster.name), { isKept: true }),
    data: { [CLUSTER_ID_KEY]: cluster.clusterId },
  }
  try {
    await kube.create(RESOURCES.configMaps, object)
  } catch (error) {
    if (!isAlreadyExists(error)) throw error
  }
}

async function writeStatus(
  { kube, metrics }: Pick<ReconcileContext, 'kube' | 'metrics'>,
  resource: KubeObject,
  before: PaxosGroupStatus,
  status: PaxosGroupStatus,
): Promise<boolean> {
  const { namespace = '', name } = resource.metadata
  metrics.setPaxosGroup(namespace, name, {
    replicas: status.groupStatuses?.flatMap(({ replicas }) => replicas).length ?? 0,
    voters: status.voters ?? 0,
    conditions: Object.fromEntries((status.conditions ?? []).map((condition) => [condition.type, condition.status])),
    jobs: countBy((status.jobs ?? []).map(({ type }) => type)),
  })
  return await applyStatus(kube, PAXOS_GROUPS, resource, { before, status })
}

function countBy(types: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const type of types) counts[type] = (counts[type] ?? 0) + 1
  return counts
}
