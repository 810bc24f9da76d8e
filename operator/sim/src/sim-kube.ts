/**
 * One client's way to the simulated API server: the `Kube` port over a store, with latency and seeded faults. Several
 * clients share a store; each can be cut off by itself.
 */
import { REQUEST_TIMEOUT_MS } from '../../src/runtime/bounds.ts'
import { type Asked, KubeError } from '../../src/runtime/kube-error.ts'
import type {
  DeleteOptions,
  Eviction,
  Kube,
  KubeObject,
  MergePatch,
  ObjectAt,
  ObjectList,
  Resource,
  Scope,
  ServerFacts,
  WatchEvent,
  WatchOptions,
} from '../../src/runtime/ports.ts'
import { keyOf, RESOURCES, resourceName } from '../../src/runtime/resources.ts'
import { mayEvict } from './disruption-budget.ts'
import { type Faults, NO_FAULTS } from './faults.ts'
import type { Scheduler } from './scheduler.ts'
import { SimWatch } from './sim-watch.ts'
import type { Store } from './store.ts'

export const SIM_SERVER: ServerFacts = {
  major: 1,
  minor: 34,
  groupVersions: new Set(['v1', 'apps/v1', 'coordination.k8s.io/v1', 'policy/v1', 'apiextensions.k8s.io/v1']),
  policyVersion: 'v1',
  hasCel: true,
}

/** How far back a stale list may look. */
const STALE_REVISIONS = 50

export class SimKube implements Kube {
  faults: Faults
  /** No request arrives and no event comes, as long as this is set. */
  isCut = false
  facts = SIM_SERVER
  requests = 0
  /** Stands beside what it changes. */
  name: string | undefined
  timeoutMs = REQUEST_TIMEOUT_MS
  private readonly store: Store
  private readonly scheduler: Scheduler
  private readonly watches = new Set<SimWatch>()

  constructor(store: Store, scheduler: Scheduler, faults: Partial<Faults> = {}) {
    this.store = store
    this.scheduler = scheduler
    this.faults = { ...NO_FAULTS, ...faults }
  }

  /** Breaks the watches that are open, too. */
  cut(): void {
    this.isCut = true
    this.breakWatches()
  }

  breakWatches(): void {
    for (const watch of this.watches) watch.break(unreachable({ verb: 'watch', resource: watch.resource }))
  }

  mend(): void {
    this.isCut = false
  }

  discover(): Promise<ServerFacts> {
    return this.request({ verb: 'get', resource: '/version' }, () => this.facts)
  }

  /** Says nothing of kinds. */
  openApi(): Promise<unknown> {
    return this.request({ verb: 'get', resource: '/openapi' }, () => undefined)
  }

  list(resource: Resource, scope: Scope = {}): Promise<ObjectList> {
    return this.request({ verb: 'list', resource: resourceName(resource) }, () => {
      const { store, scheduler } = this
      if (!scheduler.random.chance(this.faults.staleList)) return store.list(resource, scope)
      const revision = Math.max(store.compactedTo, store.revision - scheduler.random.below(STALE_REVISIONS))
      return store.listAt(resource, scope, revision)
    })
  }

  watch(resource: Resource, options: WatchOptions, onEvent: (event: WatchEvent) => void): Promise<void> {
    const asked: Asked = { verb: 'watch', resource: resourceName(resource) }
    if (options.signal.aborted) return Promise.resolve()
    return this.request(asked, () => undefined).then(() => {
      if (options.signal.aborted) return
      const watch = new SimWatch({ store: this.store, scheduler: this.scheduler, faultsOf: () => this.faults, resource, options, onEvent })
      this.watches.add(watch)
      return watch.ended.finally(() => this.watches.delete(watch))
    })
  }

  get(resource: Resource, at: ObjectAt): Promise<KubeObject | undefined> {
    return this.request(asking('get', resource, at), () => this.store.get(resource, at))
  }

  create(resource: Resource, object: KubeObject): Promise<KubeObject> {
    return this.write(asking('create', resource, object.metadata), true, () => this.store.create(resource, object))
  }

  apply(resource: Resource, object: KubeObject): Promise<KubeObject> {
    const isGuarded = object.metadata.resourceVersion !== undefined
    return this.write(asking('apply', resource, object.metadata), isGuarded, () => this.store.apply(resource, object))
  }

  applyStatus(resource: Resource, object: KubeObject): Promise<KubeObject> {
    const isGuarded = object.metadata.resourceVersion !== undefined
    return this.write(asking('apply', resource, object.metadata), isGuarded, () => this.store.apply(resource, object, 'status'))
  }

  patch(resource: Resource, at: ObjectAt, patch: MergePatch): Promise<KubeObject> {
    return this.write(asking('patch', resource, at), isGuardedPatch(patch), () => this.store.patch(resource, at, patch))
  }

  patchStatus(resource: Resource, at: ObjectAt, patch: MergePatch): Promise<KubeObject> {
    return this.write(asking('patch', resource, at), isGuardedPatch(patch), () => this.store.patch(resource, at, patch, 'status'))
  }

  delete(resource: Resource, at: ObjectAt, options: DeleteOptions = {}): Promise<boolean> {
    const isGuarded = options.uid !== undefined || options.resourceVersion !== undefined
    return this.write(asking('delete', resource, at), isGuarded, () => this.store.delete(resource, at, options))
  }

  evict(pod: ObjectAt, options: DeleteOptions = {}): Promise<Eviction> {
    return this.write(asking('evict', RESOURCES.pods, pod), false, () => {
      const found = this.store.get(RESOURCES.pods, pod)
      if (found === undefined) return 'absent'
      if (!mayEvict(this.store, found)) return 'refused'
      this.store.delete(RESOURCES.pods, pod, options)
      return 'evicted'
    })
  }

  private write<T>(asked: Asked, isGuarded: boolean, work: () => T): Promise<T> {
    return this.request(asked, () => {
      if (isGuarded && this.scheduler.random.chance(this.faults.conflict)) {
        throw new KubeError(asked, { status: 409, reason: 'Conflict', message: 'simulated: the object has been modified' })
      }
      return work()
    })
  }

  /** The way there, the work, the way back; each may fail. */
  private request<T>(asked: Asked, work: () => T): Promise<T> {
    const { scheduler, faults, timeoutMs } = this
    const { random } = scheduler
    this.requests++
    return new Promise((resolve, reject) => {
      const fate = this.fateOf(asked)
      if (fate === 'unreachable') {
        scheduler.after(random.chance(0.5) ? random.between(...faults.latencyMs) : timeoutMs, () => reject(unreachable(asked)))
        return
      }
      const run = (): (() => void) => {
        try {
          if (fate instanceof KubeError) throw fate
          this.store.by = this.name
          const value = work()
          return () => resolve(value)
        } catch (error) {
          return () => reject(error as Error)
        } finally {
          this.store.by = undefined
        }
      }
      const isLate = fate === 'answerLost' && random.chance(0.3)
      if (isLate) scheduler.after(timeoutMs, () => reject(unreachable(asked)))
      scheduler.after(isLate ? timeoutMs * (1 + random.next()) : random.between(...faults.latencyMs) / 2, () => {
        if (this.isCut) {
          if (!isLate) reject(unreachable(asked))
          return
        }
        const answer = run()
        // A late one was given up already.
        if (isLate) return
        const lostMs = random.chance(0.5) ? 1 : timeoutMs
        if (fate === 'answerLost') scheduler.after(lostMs, () => reject(unreachable(asked)))
        else scheduler.after(random.between(...faults.latencyMs) / 2, () => (this.isCut ? reject(unreachable(asked)) : answer()))
      })
    })
  }

  private fateOf(asked: Asked): KubeError | 'unreachable' | 'answerLost' | 'done' {
    const { faults, isCut } = this
    const { random } = this.scheduler
    if (isCut || random.chance(faults.unreachable)) return 'unreachable'
    if (random.chance(faults.serverError)) {
      const status = random.pick([500, 503, 504])
      return new KubeError(asked, { status, reason: 'InternalError', message: 'simulated' })
    }
    if (random.chance(faults.tooMany)) {
      const retryAfterMs = 1000 * (1 + random.below(5))
      return new KubeError(asked, { status: 429, reason: 'TooManyRequests', message: 'simulated', retryAfterMs })
    }
    return random.chance(faults.answerLost) ? 'answerLost' : 'done'
  }
}

const unreachable = (asked: Asked): KubeError => new KubeError(asked, { status: 0, reason: 'Unreachable', message: 'simulated: no answer' })

const asking = (verb: string, resource: Resource, at: ObjectAt): Asked => ({ verb, resource: resourceName(resource), name: keyOf(at) })

const isGuardedPatch = ({ metadata }: MergePatch): boolean =>
  (metadata as { resourceVersion?: string } | undefined)?.resourceVersion !== undefined
