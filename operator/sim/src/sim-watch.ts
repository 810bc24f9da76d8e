/** One watch on the simulated API server: events of its scope in order, late, and with faults. */
import { KubeError } from '../../src/runtime/kube-error.ts'
import type { KubeObject, Resource, WatchEvent, WatchOptions } from '../../src/runtime/ports.ts'
import { resourceName } from '../../src/runtime/resources.ts'
import type { Faults } from './faults.ts'
import type { Scheduler } from './scheduler.ts'
import { isInScope } from './selector.ts'
import type { Change, Store } from './store.ts'

export interface SimWatchOptions {
  readonly store: Store
  readonly scheduler: Scheduler
  readonly faultsOf: () => Faults
  readonly resource: Resource
  readonly options: WatchOptions
  readonly onEvent: (event: WatchEvent) => void
}

export class SimWatch {
  readonly resource: string
  readonly ended: Promise<void>
  private readonly given: SimWatchOptions
  private readonly cancels: (() => void)[] = []
  private settle: ((error?: Error) => void) | undefined
  private isSilent = false
  /** No event is delivered before the one before it. */
  private lastAtMs = 0

  constructor(given: SimWatchOptions) {
    this.given = given
    this.resource = resourceName(given.resource)
    this.ended = new Promise((resolve, reject) => {
      this.settle = (error) => (error === undefined ? resolve() : reject(error))
    })
    this.open()
  }

  break(error: Error): void {
    this.end(error)
  }

  private open(): void {
    const { store, scheduler, resource, options } = this.given
    const missed = store.since(resource, Number(options.resourceVersion))
    if (missed === undefined) {
      this.end(this.error(410, 'Expired', 'too old resource version'))
      return
    }
    const abort = (): void => this.end()
    options.signal.addEventListener('abort', abort, { once: true })
    this.cancels.push(
      () => options.signal.removeEventListener('abort', abort),
      store.listen((change) => this.take(change)),
      scheduler.after(options.timeoutSeconds * 1000, () => this.end()),
      scheduler.every(this.given.faultsOf().bookmarkMs, () => this.deliver({ type: 'BOOKMARK', resourceVersion: String(store.revision) })),
    )
    for (const change of missed) this.take(change)
  }

  private take(change: Change): void {
    const { before, after, resource } = change
    if (resource !== this.resource) return
    const { options } = this.given
    const [was, is] = [before !== undefined && isInScope(before, options), after !== undefined && isInScope(after, options)]
    if (is) this.deliver({ type: was ? 'MODIFIED' : 'ADDED', object: after as KubeObject })
    else if (was) {
      const gone = before as KubeObject
      const metadata = { ...gone.metadata, resourceVersion: String(change.revision) }
      this.deliver({ type: 'DELETED', object: { ...gone, metadata } })
    }
  }

  private deliver(event: WatchEvent): void {
    const { scheduler, faultsOf, onEvent } = this.given
    const { random } = scheduler
    const faults = faultsOf()
    this.lastAtMs = Math.max(this.lastAtMs, scheduler.nowMs + random.between(...faults.watchDelayMs))
    const run = (): void => {
      if (this.settle === undefined || this.isSilent) return
      if (random.chance(faults.watchBreak)) this.end(this.error(0, 'Unreachable', 'simulated: the socket broke'))
      else if (random.chance(faults.watchGone)) this.end(this.error(410, 'Expired', 'simulated'))
      else if (random.chance(faults.watchSilence)) this.isSilent = true
      else onEvent(event)
    }
    scheduler.after(this.lastAtMs - scheduler.nowMs, run)
  }

  private end(error?: Error): void {
    const { settle } = this
    this.settle = undefined
    for (const cancel of this.cancels) cancel()
    settle?.(error)
  }

  private error(status: number, reason: string, message: string): KubeError {
    return new KubeError({ verb: 'watch', resource: this.resource }, { status, reason, message })
  }
}
