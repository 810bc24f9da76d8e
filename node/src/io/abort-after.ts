/** AbortSignal.timeout by a clock that is handed in. */
import type { Clock } from './ports.ts'

/** A signal that is aborted after `afterMs`, unless that is cancelled: whoever has used it cancels it. */
export function abortAfter(clock: Clock, afterMs: number): { readonly signal: AbortSignal; readonly cancel: () => void } {
  const controller = new AbortController()
  return { signal: controller.signal, cancel: clock.after(afterMs, () => controller.abort()) }
}
