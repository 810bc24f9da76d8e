/**
 * AbortSignal.timeout by a clock that is handed in. Others may abort it sooner; `AbortSignal.any` would keep a signal that is listened to,
 * and all that its listeners know, for as long as none of these does.
 */
import type { Clock } from './ports.ts'

/** A signal that is aborted after `afterMs`, or with one of `sooner`, unless that is cancelled: whoever has used it cancels it. */
export function abortAfter(
  clock: Clock,
  afterMs: number,
  ...sooner: readonly AbortSignal[]
): { readonly signal: AbortSignal; readonly cancel: () => void } {
  const controller = new AbortController()
  const abort = (): void => controller.abort()
  const cancelTimer = clock.after(afterMs, abort)
  for (const signal of sooner) {
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
  }
  const cancel = (): void => {
    cancelTimer()
    for (const signal of sooner) signal.removeEventListener('abort', abort)
  }
  return { signal: controller.signal, cancel }
}
