/** Runs a reconcile for each key of a queue, a few keys at once and never one key twice at once. */
import { AGAIN_LEAST_MS, MAX_WORKERS } from './bounds.ts'
import { KubeError } from './kube-error.ts'
import type { World } from './ports.ts'
import { WorkQueue } from './work-queue.ts'

export type Outcome =
  /** Nothing to do until something changes. */
  (
    | { readonly result: 'done'; readonly changed: boolean }
    /** Something is under way: look again. */
    | { readonly result: 'again'; readonly afterMs: number; readonly changed?: boolean }
    | { readonly result: 'failed'; readonly error: unknown }
  ) & {
    /** What was found and done, for the pass's line in the log. */
    readonly report?: object
  }

/** How a pass ended, for the log and metrics. */
export type PassResult = 'unchanged' | 'changed' | 'waiting' | 'failed'

export interface WorkersOptions {
  /** In logs. */
  readonly name: string
  readonly workers: number
  /** What it throws is a failure. The signal aborts on stop: begin nothing new. */
  readonly reconcile: (key: string, signal: AbortSignal) => Promise<Outcome>
  readonly onPass?: (result: PassResult, tookMs: number) => void
}

export class Workers {
  readonly queue = new WorkQueue()
  private readonly world: Omit<World, 'kube'>
  private readonly options: WorkersOptions
  private readonly stopping = new AbortController()
  private readonly running = new Set<Promise<void>>()
  /** Of each key, how its last pass ended, if not unchanged. */
  private readonly results = new Map<string, PassResult>()
  private isStarted = false
  private cancelWake = (): void => {}

  constructor(world: Omit<World, 'kube'>, options: WorkersOptions) {
    if (!(options.workers >= 1 && options.workers <= MAX_WORKERS)) {
      throw new RangeError(`workers: ${options.workers}; expected 1 to ${MAX_WORKERS}`)
    }
    this.world = world
    this.options = options
  }

  add(key: string): void {
    this.queue.add(key)
    this.fill()
  }

  addAfter(key: string, delayMs: number): void {
    this.queue.addAt(key, this.world.clock.nowMs() + delayMs)
    this.fill()
  }

  start(): void {
    this.isStarted = true
    this.fill()
  }

  /** Takes nothing more; resolves when what runs has ended. */
  async stop(): Promise<void> {
    this.stopping.abort()
    this.cancelWake()
    await Promise.all(this.running)
  }

  /** Gives keys to idle workers, and sets an alarm for the next that is due. */
  private fill(): void {
    if (!this.isStarted || this.stopping.signal.aborted) return
    const { clock } = this.world
    while (this.running.size < this.options.workers) {
      const key = this.queue.take(clock.nowMs())
      if (key === undefined) break
      const run: Promise<void> = this.work(key).finally(() => {
        this.running.delete(run)
        this.fill()
      })
      this.running.add(run)
    }
    this.cancelWake()
    const nextMs = this.queue.nextAtMs(clock.nowMs())
    if (nextMs === undefined || this.running.size === this.options.workers) return
    this.cancelWake = clock.after(Math.max(0, nextMs - clock.nowMs()), () => this.fill())
  }

  private async work(key: string): Promise<void> {
    const { clock } = this.world
    const startedMs = clock.nowMs()
    let outcome: Outcome
    try {
      outcome = await this.options.reconcile(key, this.stopping.signal)
    } catch (error) {
      outcome = { result: 'failed', error }
    }
    const tookMs = clock.nowMs() - startedMs
    this.tell(key, outcome, tookMs)
    this.settle(key, outcome)
    this.options.onPass?.(resultOf(outcome), tookMs)
  }

  /** One line for each pass; passes that are as the one before and change nothing are many, and of interest to few. */
  private tell(key: string, outcome: Outcome, tookMs: number): void {
    const { log } = this.world
    const result = resultOf(outcome)
    const isNews = result === 'changed' || result !== (this.results.get(key) ?? 'unchanged')
    if (result === 'unchanged') this.results.delete(key)
    else this.results.set(key, result)
    const fields = { kind: this.options.name, key, result, tookMs: Math.round(tookMs), ...outcome.report }
    if (outcome.result === 'failed')
      log.warn({ ...fields, error: describe(outcome.error), failures: this.queue.failuresOf(key) + 1 }, 'reconcile failed')
    else if (isNews) log.info(fields, 'reconciled')
    else log.debug(fields, 'reconciled')
  }

  private settle(key: string, outcome: Outcome): void {
    const { clock, random } = this.world
    const nowMs = clock.nowMs()
    switch (outcome.result) {
      case 'done':
        this.queue.forget(key)
        break
      case 'again':
        this.queue.forget(key)
        this.queue.addAt(key, nowMs + Math.max(AGAIN_LEAST_MS, outcome.afterMs))
        break
      case 'failed': {
        const retryAfterMs = outcome.error instanceof KubeError ? (outcome.error.retryAfterMs ?? 0) : 0
        this.queue.retry(key, nowMs, random(), nowMs + retryAfterMs)
        break
      }
    }
    this.queue.done(key)
  }
}

function resultOf(outcome: Outcome): PassResult {
  if (outcome.result === 'failed') return 'failed'
  if (outcome.changed === true) return 'changed'
  return outcome.result === 'again' ? 'waiting' : 'unchanged'
}

/** A request that failed says all in its message; anything else may be a bug, whose place matters. */
const describe = (error: unknown): string =>
  error instanceof KubeError ? error.message : String(error instanceof Error ? (error.stack ?? error.message) : error)
