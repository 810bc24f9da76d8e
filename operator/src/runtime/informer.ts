/**
 * A cache of the objects of one kind in a scope, kept by a list and a watch, that tells which keys changed.
 *
 * A watch breaks all the time: sockets are cut, servers are replaced, versions are compacted away, or it goes silent without
 * an end. The informer goes on until it is told to stop: it resumes a broken watch where it was, lists anew when that is
 * refused (410) or fails repeatedly, opens a silent watch anew, and between attempts waits longer and longer.
 *
 * Invariants: `hasSynced` only after a whole list. Once the server answers, the cache reaches its state. A key is told after
 * the cache shows its change, and every change is told at least once; changes that a list jumps over are told as one.
 */
import { backoffMs, WATCH_BACKOFF, WATCH_FAILURES_BEFORE_LIST, WATCH_LEAST_MS, WATCH_SILENCE_MS, WATCH_TIMEOUT_SECONDS } from './bounds.ts'
import { KubeError } from './kube-error.ts'
import { ObjectCache } from './object-cache.ts'
import type { KubeObject, ObjectAt, Resource, Scope, World } from './ports.ts'
import { resourceName } from './resources.ts'
import { sleep } from './sleep.ts'

export interface InformerOptions extends Scope {
  readonly resource: Resource
  /** Tells all keys this often, changed or not. */
  readonly resyncMs?: number
  /** A watch was opened, or a list made, anew after a failure. */
  readonly onRestart?: (resource: string) => void
}

interface Subscription {
  /** The key that an object concerns: its own, its owner's. */
  readonly keyOf: (object: KubeObject) => string | undefined
  readonly onKey: (key: string) => void
}

export class Informer {
  readonly resource: Resource
  /** Failures survived. */
  restarts = 0
  private readonly world: World
  private readonly options: InformerOptions
  private readonly cache = new ObjectCache()
  private readonly subscriptions: Subscription[] = []
  private readonly stopping = new AbortController()
  private running: Promise<void> | undefined
  private synced = false
  private failures = 0

  constructor(world: World, options: InformerOptions) {
    this.world = world
    this.options = options
    this.resource = options.resource
  }

  /** Of the resource, as it stands in metrics. */
  get name(): string {
    return resourceName(this.resource)
  }

  /** The first list is in the cache. */
  get hasSynced(): boolean {
    return this.synced
  }

  get(at: ObjectAt): KubeObject | undefined {
    return this.cache.get(at)
  }

  all(): KubeObject[] {
    return this.cache.all()
  }

  /** Before `start`. For each touched object, `onKey` gets what `keyOf` makes of it, as it is and as it was. */
  subscribe(keyOf: (object: KubeObject) => string | undefined, onKey: (key: string) => void): void {
    this.subscriptions.push({ keyOf, onKey })
  }

  start(): void {
    this.running ??= this.run()
  }

  /** Resolves when nothing of it runs any more. */
  async stop(): Promise<void> {
    this.stopping.abort()
    await this.running
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping
    const endResync = this.keepResyncing()
    while (!signal.aborted) {
      try {
        if (this.cache.resourceVersion === undefined) await this.list()
        if (!signal.aborted) await this.follow()
      } catch (error) {
        if (!signal.aborted) await this.recover(error)
      }
    }
    endResync()
  }

  private async list(): Promise<void> {
    const { namespace, labelSelector } = this.options
    const found = await this.world.kube.list(this.resource, { namespace, labelSelector })
    if (this.stopping.signal.aborted) return
    const touched = this.cache.replace(found)
    this.synced = true
    this.tell(touched)
  }

  /** One watch, from where the cache stands to its peaceful end. */
  private async follow(): Promise<void> {
    const { kube, clock, random } = this.world
    const { namespace, labelSelector } = this.options
    const openedMs = clock.nowMs()
    const attempt = new AbortController()
    let isSilent = false
    const onSilence = (): void => {
      isSilent = true
      attempt.abort()
    }
    let cancelSilence = clock.after(WATCH_SILENCE_MS, onSilence)
    const end = (): void => attempt.abort()
    this.stopping.signal.addEventListener('abort', end, { once: true })
    try {
      const options = {
        namespace,
        labelSelector,
        resourceVersion: this.cache.resourceVersion as string,
        timeoutSeconds: Math.round(WATCH_TIMEOUT_SECONDS * (1 + random())),
        signal: attempt.signal,
      }
      await kube.watch(this.resource, options, (event) => {
        if (attempt.signal.aborted) return
        cancelSilence()
        cancelSilence = clock.after(WATCH_SILENCE_MS, onSilence)
        this.failures = 0
        this.tell(this.cache.note(event))
      })
    } finally {
      cancelSilence()
      this.stopping.signal.removeEventListener('abort', end)
      // Whatever the stream still holds is not ours any more.
      attempt.abort()
    }
    if (this.stopping.signal.aborted) return
    const lastedMs = clock.nowMs() - openedMs
    if (isSilent) throw new Error(`the watch was silent for ${WATCH_SILENCE_MS} ms`)
    if (lastedMs < WATCH_LEAST_MS) throw new Error(`the watch ended after ${Math.round(lastedMs)} ms`)
    this.failures = 0
  }

  private async recover(error: unknown): Promise<void> {
    const { clock, random, log } = this.world
    const kubeError = error instanceof KubeError ? error : undefined
    const isRefused = kubeError !== undefined && kubeError.status >= 400 && kubeError.status < 500 && kubeError.status !== 429
    if (isRefused || (this.failures + 1) % WATCH_FAILURES_BEFORE_LIST === 0) this.cache.resourceVersion = undefined
    const delayMs = Math.max(backoffMs(WATCH_BACKOFF, this.failures, random()), kubeError?.retryAfterMs ?? 0)
    this.failures++
    this.restarts++
    const resource = this.name
    this.options.onRestart?.(resource)
    log.warn({ resource, error: String(error), failures: this.failures, delayMs: Math.round(delayMs) }, 'watch restarts')
    await sleep(clock, delayMs, this.stopping.signal)
  }

  private tell(touched: readonly KubeObject[]): void {
    for (const { keyOf, onKey } of this.subscriptions) {
      const keys = new Set<string>()
      for (const object of touched) {
        const key = keyOf(object)
        if (key !== undefined) keys.add(key)
      }
      for (const key of keys) onKey(key)
    }
  }

  private keepResyncing(): () => void {
    const { resyncMs } = this.options
    if (resyncMs === undefined) return () => {}
    const { clock, random } = this.world
    const arm = (): (() => void) =>
      // Informers that started together don't resync together.
      clock.after(resyncMs * (1 + random() / 10), () => {
        this.tell(this.cache.all())
        cancel = arm()
      })
    let cancel = arm()
    return () => cancel()
  }
}
