/**
 * The objects of a simulated API server, as etcd and the server's rules keep them: every change has a revision, history can
 * be watched until it is compacted, writes are checked against versions, deletion waits for finalizers and grace. At once
 * and without faults: latency and failures are `SimKube`'s.
 */
import { KubeError } from '../../src/runtime/kube-error.ts'
import type { DeleteOptions, KubeObject, MergePatch, ObjectAt, ObjectList, ObjectMeta, Resource, Scope } from '../../src/runtime/ports.ts'
import { groupVersionOf, keyOf, RESOURCES, resourceName } from '../../src/runtime/resources.ts'
import { checkChange } from './immutable.ts'
import { applyFields, mergePatch } from './merge.ts'
import { isSame } from './same.ts'
import type { Scheduler } from './scheduler.ts'
import { isInScope } from './selector.ts'

/** One revision: the object before and after; absent before it was there, absent after it went. */
export interface Change {
  readonly revision: number
  readonly resource: string
  readonly before: KubeObject | undefined
  readonly after: KubeObject | undefined
  /** The client that wrote it; undefined: a person, or a controller of Kubernetes. */
  readonly by: string | undefined
}

export type Part = 'main' | 'status'

/** May refuse (throw a KubeError), or fill in defaults: what a CRD's schema or a webhook does. */
export type Admission = (resource: Resource, object: KubeObject, before: KubeObject | undefined) => KubeObject

const WITHOUT_STATUS = new Set([
  'configmaps',
  'secrets',
  'serviceaccounts',
  'events',
  'leases.coordination.k8s.io',
  'storageclasses.storage.k8s.io',
])
const DEFAULT_GRACE_SECONDS = 30

export class Store {
  readonly admissions: Admission[] = []
  /** Watches from before this get 410. */
  compactedTo = 0
  revision = 100
  /** The client whose request is being done. */
  by: string | undefined
  /** Writes that changed something. */
  writes = 0
  private readonly scheduler: Scheduler
  private readonly kinds = new Map<string, Map<string, KubeObject>>()
  private readonly applied = new Map<string, Record<Part, unknown>>()
  private history: Change[] = []
  private readonly listeners = new Set<(change: Change) => void>()

  constructor(scheduler: Scheduler) {
    this.scheduler = scheduler
  }

  /** Told of each change, at once. */
  listen(listener: (change: Change) => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  get(resource: Resource, at: ObjectAt): KubeObject | undefined {
    return this.kindOf(resource).get(keyOf(at))
  }

  /** The objects as they are, in the order of their keys. */
  all(resource: Resource, scope: Scope = {}): KubeObject[] {
    return [...this.kindOf(resource)]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, object]) => object)
      .filter((object) => isInScope(object, scope))
  }

  /** The same in any order: cheaper. */
  unordered(resource: Resource): IterableIterator<KubeObject> {
    return this.kindOf(resource).values()
  }

  /** Every object of every kind. */
  everything(): { resource: string; object: KubeObject }[] {
    return [...this.kinds].flatMap(([resource, objects]) => [...objects.values()].map((object) => ({ resource, object })))
  }

  list(resource: Resource, scope: Scope = {}): ObjectList {
    return { items: this.all(resource, scope), resourceVersion: String(this.revision) }
  }

  /** As it was at a revision that is not compacted yet. */
  listAt(resource: Resource, scope: Scope, revision: number): ObjectList {
    const objects = new Map(this.kindOf(resource))
    for (const change of this.history.toReversed()) {
      if (change.revision <= revision) break
      if (change.resource !== resourceName(resource)) continue
      const key = keyOf(((change.before ?? change.after) as KubeObject).metadata)
      if (change.before === undefined) objects.delete(key)
      else objects.set(key, change.before)
    }
    return { items: [...objects.values()].filter((object) => isInScope(object, scope)), resourceVersion: String(revision) }
  }

  /** Changes of a kind after a revision; undefined if they are compacted away. */
  since(resource: Resource, revision: number): Change[] | undefined {
    if (revision < this.compactedTo) return undefined
    return this.history.filter((change) => change.revision > revision && change.resource === resourceName(resource))
  }

  compact(revision = this.revision): void {
    this.compactedTo = Math.max(this.compactedTo, revision)
    this.history = this.history.filter((change) => change.revision > this.compactedTo)
  }

  create(resource: Resource, object: KubeObject, verb = 'create'): KubeObject {
    const refuse = refusal(verb, resource, object.metadata)
    if (this.get(resource, object.metadata) !== undefined) throw refuse(409, 'AlreadyExists', 'it is there')
    this.checkNamespace(resource, object.metadata, refuse)
    const { namespace, name, labels, annotations, ownerReferences, finalizers } = object.metadata
    const own = { namespace, name, labels, annotations, ownerReferences, finalizers }
    const metadata = {
      ...own,
      uid: this.scheduler.random.hex(6),
      creationTimestamp: new Date(this.scheduler.wallMs).toISOString(),
      generation: 1,
    } as unknown as ObjectMeta
    const { status: _, ...withoutStatus } = object
    const fields = WITHOUT_STATUS.has(resourceName(resource)) ? object : withoutStatus
    return this.put(resource, undefined, { ...fields, apiVersion: groupVersionOf(resource), kind: resource.kind, metadata })
  }

  /** Server-side apply by the one manager. */
  apply(resource: Resource, desired: KubeObject, part: Part = 'main'): KubeObject {
    const refuse = refusal('apply', resource, desired.metadata)
    const current = this.get(resource, desired.metadata)
    const said = part === 'main' ? desired : { status: desired.status }
    if (current === undefined) {
      if (part === 'status') throw refuse(404, 'NotFound', 'it is not there')
      const created = this.create(resource, desired, 'apply')
      this.applied.set(uidOf(created), { main: withoutIdentity(desired), status: {} })
      return created
    }
    const { uid, resourceVersion } = desired.metadata
    checkPreconditions(current, { uid, resourceVersion }, refuse)
    const known = this.applied.get(uidOf(current)) ?? { main: {}, status: {} }
    const wanted = part === 'main' ? withoutIdentity(desired) : said
    const merged = applyFields(current, known[part], wanted) as KubeObject
    const result = this.change(resource, current, merged, part, refuse)
    this.applied.set(uidOf(current), { ...known, [part]: wanted })
    return result
  }

  patch(resource: Resource, at: ObjectAt, patch: MergePatch, part: Part = 'main'): KubeObject {
    const refuse = refusal('patch', resource, at)
    const current = this.get(resource, at)
    if (current === undefined) throw refuse(404, 'NotFound', 'it is not there')
    const { uid, resourceVersion } = (patch.metadata ?? {}) as Partial<ObjectMeta>
    checkPreconditions(current, { uid, resourceVersion }, refuse)
    return this.change(resource, current, mergePatch(current, patch) as KubeObject, part, refuse)
  }

  /** What a controller of Kubernetes itself writes; the object may be gone by now. */
  amend(resource: Resource, at: ObjectAt, patch: MergePatch, part: Part = 'main'): void {
    if (this.get(resource, at) !== undefined) this.patch(resource, at, patch, part)
  }

  delete(resource: Resource, at: ObjectAt, options: DeleteOptions = {}): boolean {
    const refuse = refusal('delete', resource, at)
    let current = this.get(resource, at)
    if (current === undefined) return false
    checkPreconditions(current, options, refuse)
    if (options.propagation === 'Orphan') this.orphanDependents(current)
    const graceSeconds = graceOf(resource, current, options)
    const hasToWait = graceSeconds > 0 || (current.metadata.finalizers ?? []).length > 0 || resource.kind === 'Namespace'
    if (!hasToWait) {
      this.put(resource, current, undefined)
      return true
    }
    const { deletionTimestamp, deletionGracePeriodSeconds = graceSeconds } = current.metadata
    if (deletionTimestamp !== undefined && graceSeconds >= deletionGracePeriodSeconds) return true
    const metadata = {
      ...current.metadata,
      deletionTimestamp: new Date(this.scheduler.wallMs + graceSeconds * 1000).toISOString(),
      deletionGracePeriodSeconds: graceSeconds,
      generation: (current.metadata.generation ?? 0) + 1,
    }
    current = this.put(resource, current, { ...current, metadata })
    return true
  }

  /** At once, whatever holds it. */
  remove(resource: Resource, at: ObjectAt): void {
    const current = this.get(resource, at)
    if (current !== undefined) this.put(resource, current, undefined)
  }

  /** A dependent of this one no longer names it as its owner. */
  private orphanDependents(owner: KubeObject): void {
    for (const [name, objects] of this.kinds) {
      for (const object of [...objects.values()]) {
        const left = object.metadata.ownerReferences?.filter(({ uid }) => uid !== owner.metadata.uid)
        if (left === undefined || left.length === object.metadata.ownerReferences?.length) continue
        this.put(name, object, { ...object, metadata: { ...object.metadata, ownerReferences: left } })
      }
    }
  }

  private change(resource: Resource, current: KubeObject, next: KubeObject, part: Part, refuse: Refuse): KubeObject {
    const kept = { uid: current.metadata.uid, creationTimestamp: current.metadata.creationTimestamp }
    const { resourceVersion, generation, deletionTimestamp, deletionGracePeriodSeconds } = current.metadata
    const fixed = { ...kept, resourceVersion, generation, deletionTimestamp, deletionGracePeriodSeconds }
    let result: KubeObject
    if (part === 'status') result = { ...current, status: next.status }
    else {
      const status = WITHOUT_STATUS.has(resourceName(resource)) ? next.status : current.status
      result = { ...next, metadata: { ...next.metadata, ...fixed } as unknown as ObjectMeta, status }
    }
    if (isSame(result, current)) return current
    result = plain(result)
    const said = checkChange(resource, current, result)
    if (said !== undefined) throw refuse(422, 'Invalid', said)
    if (part === 'main' && !isSame(specOf(result), specOf(current))) {
      result = { ...result, metadata: { ...result.metadata, generation: (generation ?? 0) + 1 } }
    }
    const isReleased = deletionTimestamp !== undefined && (result.metadata.finalizers ?? []).length === 0
    if (isReleased && (current.metadata.finalizers ?? []).length > 0 && (resource.kind !== 'Pod' || deletionGracePeriodSeconds === 0)) {
      this.put(resource, current, undefined)
      return result
    }
    return this.put(resource, current, result)
  }

  private put(resource: Resource | string, before: KubeObject | undefined, object: KubeObject): KubeObject
  private put(resource: Resource | string, before: KubeObject | undefined, object: undefined): undefined
  private put(resource: Resource | string, before: KubeObject | undefined, object: KubeObject | undefined): KubeObject | undefined {
    let admitted = object
    if (object !== undefined && typeof resource !== 'string') {
      for (const admit of this.admissions) admitted = admit(resource, admitted as KubeObject, before)
    }
    const revision = ++this.revision
    this.writes++
    const name = typeof resource === 'string' ? resource : resourceName(resource)
    const stamp = { resourceVersion: String(revision) }
    const after = admitted === undefined ? undefined : freeze(plain({ ...admitted, metadata: { ...admitted.metadata, ...stamp } }))
    const objects = this.kindOf(name)
    const key = keyOf(((after ?? before) as KubeObject).metadata)
    if (after === undefined) {
      objects.delete(key)
      this.applied.delete(uidOf(before as KubeObject))
    } else objects.set(key, after)
    const change = { revision, resource: name, before, after, by: this.by }
    this.history.push(change)
    for (const listener of this.listeners) listener(change)
    return after
  }

  private checkNamespace({ namespaced }: Resource, { namespace }: ObjectAt, refuse: Refuse): void {
    if (!namespaced) return
    if (namespace === undefined) throw refuse(400, 'BadRequest', 'metadata.namespace: is missing')
    const found = this.get(RESOURCES.namespaces, { name: namespace })
    if (found === undefined) throw refuse(404, 'NotFound', `namespaces ${namespace} not found`)
    if (found.metadata.deletionTimestamp !== undefined) throw refuse(403, 'Forbidden', `namespace ${namespace} is being terminated`)
  }

  private kindOf(resource: Resource | string): Map<string, KubeObject> {
    const name = typeof resource === 'string' ? resource : resourceName(resource)
    let objects = this.kinds.get(name)
    if (objects === undefined) {
      objects = new Map()
      this.kinds.set(name, objects)
    }
    return objects
  }
}

type Refuse = (status: number, reason: string, message: string) => KubeError

const refusal =
  (verb: string, resource: Resource, at: ObjectAt): Refuse =>
  (status, reason, message) =>
    new KubeError({ verb, resource: resourceName(resource), name: keyOf(at) }, { status, reason, message })

const uidOf = ({ metadata }: KubeObject): string => metadata.uid as string

function checkPreconditions(
  { metadata }: KubeObject,
  { uid, resourceVersion }: { uid?: string | undefined; resourceVersion?: string | undefined },
  refuse: Refuse,
): void {
  if (uid !== undefined && uid !== metadata.uid) throw refuse(409, 'Conflict', `uid: ${metadata.uid}; expected ${uid}`)
  if (resourceVersion === undefined || resourceVersion === metadata.resourceVersion) return
  throw refuse(409, 'Conflict', `resourceVersion: ${metadata.resourceVersion}; expected ${resourceVersion}`)
}

/** Only pods that a kubelet has to end have one. */
function graceOf(resource: Resource, { spec, status }: KubeObject, { gracePeriodSeconds }: DeleteOptions): number {
  if (resource.kind !== 'Pod') return 0
  const { nodeName, terminationGracePeriodSeconds } = (spec ?? {}) as { nodeName?: string; terminationGracePeriodSeconds?: number }
  const { phase } = (status ?? {}) as { phase?: string }
  if (nodeName === undefined || phase === 'Failed' || phase === 'Succeeded') return 0
  return gracePeriodSeconds ?? terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS
}

/** What a manager owns of an object: neither who it is nor its status. */
function withoutIdentity({ apiVersion: _, kind: __, status: ___, metadata, ...fields }: KubeObject): Record<string, unknown> {
  const { labels, annotations, ownerReferences, finalizers } = metadata
  return { ...fields, metadata: { labels, annotations, ownerReferences, finalizers } }
}

function specOf({ apiVersion: _, kind: __, metadata: ___, status: ____, ...spec }: KubeObject): object {
  return spec
}

/** As JSON would carry it: no undefined. */
const plain = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const inner of Object.values(value)) freeze(inner)
  }
  return value
}
