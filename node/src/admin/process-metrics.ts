/** Figures of the process that any program in Node has: CPU, memory, garbage collection, delays of the event loop. */
import { collectDefaultMetrics, type Registry } from 'prom-client'

/**
 * Delays are seen by a timer, which wakes an idle process each time; `nodejs_eventloop_lag_…` are the whole of what passed between two
 * times, this included.
 */
export const EVENT_LOOP_SAMPLE_MS = 100

export function collectProcessMetrics(registry: Registry): void {
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: EVENT_LOOP_SAMPLE_MS })
}
