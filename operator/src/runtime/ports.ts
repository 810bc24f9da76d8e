/**
 * The world as the operator sees it: a Kubernetes API of generic objects, time, chance, a log. `HttpKube` and `osClock`
 * are the real ones; the simulator has its own. Nothing else in the operator opens a socket or reads a clock.
 */

/** One kind, as its URL names it. */
export interface Resource {
  /** Empty for the core group. */
  readonly group: string
  readonly version: string
  readonly plural: string
  readonly kind: string
  readonly namespaced: boolean
}

export interface OwnerReference {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
  readonly uid: string
  readonly controller?: boolean
  readonly blockOwnerDeletion?: boolean
}

export interface ObjectMeta {
  readonly name: string
  readonly namespace?: string
  readonly uid?: string
  /** Opaque: compare for equality only. */
  readonly resourceVersion?: string
  readonly generation?: number
  readonly creationTimestamp?: string
  readonly deletionTimestamp?: string
  readonly deletionGracePeriodSeconds?: number
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  readonly ownerReferences?: readonly OwnerReference[]
  readonly finalizers?: readonly string[]
  readonly managedFields?: readonly unknown[]
}

/** An object of any kind and version. What stands beside the metadata is read by whoever knows the kind. */
export interface KubeObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: ObjectMeta
  readonly [field: string]: unknown
}

/** Where an object is; no namespace for those of the cluster. */
export interface ObjectAt {
  readonly namespace?: string | undefined
  readonly name: string
}

/** What a list or a watch covers: all namespaces and all labels unless said. */
export interface Scope {
  readonly namespace?: string | undefined
  /** As on a URL: `a=b,c!=d,e,!f,g in (h,i)`. */
  readonly labelSelector?: string | undefined
}

export interface ObjectList {
  readonly items: readonly KubeObject[]
  readonly resourceVersion: string
}

export type WatchEvent =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: KubeObject }
  /** Nothing changed until this version. */
  | { readonly type: 'BOOKMARK'; readonly resourceVersion: string }

export interface WatchOptions extends Scope {
  /** Events after this version. */
  readonly resourceVersion: string
  /** The server closes the stream after so long. */
  readonly timeoutSeconds: number
  readonly signal: AbortSignal
}

/** A merge patch (RFC 7386); a `metadata.resourceVersion` in it makes it a compare-and-set. */
export type MergePatch = Readonly<Record<string, unknown>>

export interface DeleteOptions {
  readonly uid?: string
  readonly resourceVersion?: string
  /** 0 removes a pod without its kubelet's word. */
  readonly gracePeriodSeconds?: number
  /** What becomes of dependents; Background unless said. */
  readonly propagation?: 'Background' | 'Foreground' | 'Orphan'
}

export type Eviction = 'evicted' | 'refused' | 'absent'

export interface ServerFacts {
  readonly major: number
  readonly minor: number
  /** `policy/v1`, `v1`, …: what the server serves. */
  readonly groupVersions: ReadonlySet<string>
  /** The version of PodDisruptionBudget and Eviction. */
  readonly policyVersion: 'v1' | 'v1beta1'
  /** `x-kubernetes-validations` are enforced. */
  readonly hasCel: boolean
}

/**
 * The Kubernetes API. Every call ends within a time-out and is made once: who calls decides about trying again. A call that
 * fails rejects with a `KubeError`; after one without an answer a write may have happened.
 */
export interface Kube {
  /** Asked once and kept. */
  discover(): Promise<ServerFacts>
  /** An OpenAPI document, of version 3 or 2, that has the kind if any has it. */
  openApi(resource: Resource): Promise<unknown>
  /** All pages; a consistent read. */
  list(resource: Resource, scope?: Scope): Promise<ObjectList>
  /**
   * Calls `onEvent` in order; resolves when the server closes the stream in peace or the signal aborts, rejects when it
   * breaks. Status 410: the version is too old, list anew.
   */
  watch(resource: Resource, options: WatchOptions, onEvent: (event: WatchEvent) => void): Promise<void>
  get(resource: Resource, at: ObjectAt): Promise<KubeObject | undefined>
  /** Rejects with reason AlreadyExists, status 409. */
  create(resource: Resource, object: KubeObject): Promise<KubeObject>
  /** Server-side apply by our one field manager, by force: creates, changes, and removes fields no longer named. */
  apply(resource: Resource, object: KubeObject): Promise<KubeObject>
  /** The same for the status; the object has to be there. */
  applyStatus(resource: Resource, object: KubeObject): Promise<KubeObject>
  patch(resource: Resource, at: ObjectAt, patch: MergePatch): Promise<KubeObject>
  patchStatus(resource: Resource, at: ObjectAt, patch: MergePatch): Promise<KubeObject>
  /** False if it was not there; a precondition that does not hold rejects with status 409. */
  delete(resource: Resource, at: ObjectAt, options?: DeleteOptions): Promise<boolean>
  /** Deletes a pod if the disruption budgets allow. */
  evict(pod: ObjectAt, options?: DeleteOptions): Promise<Eviction>
}

export interface Clock {
  /** Monotonic milliseconds: time-outs, back-off, leases. */
  nowMs(): number
  /** Unix milliseconds: what stands in objects for people to read. */
  wallMs(): number
  /** Calls `run` once after `delayMs`; returns what cancels it. */
  after(delayMs: number, run: () => void): () => void
}

export interface Log {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** What every part of the runtime is handed. */
export interface World {
  readonly kube: Kube
  readonly clock: Clock
  /** A number in [0, 1). */
  readonly random: () => number
  readonly log: Log
}
