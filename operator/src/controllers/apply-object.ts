/** Applies an object that a plan wants: compared with the cache, and written only if it differs. */
import {
  type Applier,
  type Clock,
  type Informer,
  isConflict,
  isNotFound,
  type Kube,
  type KubeObject,
  keyOf,
  RESOURCES,
  type Resource,
} from '../runtime/mod.ts'
import { cached, type Watches } from './watches.ts'

export interface ApplyContext {
  readonly kube: Kube
  readonly applier: Applier
  readonly watches: Watches
  readonly budgets: Resource
  readonly clock: Clock
  /** Secrets are written and never read: when each was, by this process. */
  readonly secretsWrittenMs: Map<string, number>
}

const SECRET_AGAIN_MS = 10 * 60 * 1000

/** Another object has taken its place, or none: what was to go is gone. */
export async function gone(deleted: Promise<boolean>): Promise<boolean> {
  try {
    return await deleted
  } catch (error) {
    if (isConflict(error) || isNotFound(error)) return false
    throw error
  }
}

export async function applyObject(context: ApplyContext, object: KubeObject): Promise<boolean> {
  const { applier, watches, budgets } = context
  const { namespace, name } = object.metadata
  const at = { namespace, name }
  const applied = async (resource: Resource, informers: readonly Informer[]): Promise<boolean> =>
    (await applier.apply(resource, object, cached(informers, at))).changed
  switch (object.kind) {
    case 'StatefulSet':
      return await applied(RESOURCES.statefulSets, watches.statefulSets)
    case 'Service':
      return await applied(RESOURCES.services, watches.services)
    case 'ServiceAccount':
      return await applied(RESOURCES.serviceAccounts, watches.serviceAccounts)
    case 'PodDisruptionBudget':
      return await applied(budgets, watches.budgets)
    case 'Secret':
      return await applySecret(context, object)
    default:
      throw new Error(`a bug: nothing is known of how to apply a ${object.kind}`)
  }
}

/**
 * By each process once, and again after a while, should somebody have changed it. One of an earlier resource of the name went
 * with that: whose it is belongs to what was written.
 */
async function applySecret({ kube, clock, secretsWrittenMs }: ApplyContext, object: KubeObject): Promise<boolean> {
  const key = `${keyOf(object.metadata)} ${JSON.stringify([object.metadata.ownerReferences, object.data])}`
  const writtenMs = secretsWrittenMs.get(key)
  if (writtenMs !== undefined && clock.nowMs() - writtenMs < SECRET_AGAIN_MS) return false
  await kube.apply(RESOURCES.secrets, object)
  secretsWrittenMs.set(key, clock.nowMs())
  return writtenMs === undefined
}
