/** `/metrics` of a memory node: its figures are copied into metrics when somebody asks; nothing is labelled or observed before. */
import { Counter, Gauge, Registry } from 'prom-client'
import { collectProcessMetrics } from '../../admin/mod.ts'
import type { Figures, Sample } from './figures.ts'
import { MEMORY_METRICS, MEMORY_PREFIX, type MemoryMetricName, VALIDATION_SECONDS } from './metric-table.ts'
import { BUCKETS, LANE_NAMES, type ValidationTimes } from './validation-times.ts'

export class MemoryMetrics {
  readonly registry = new Registry()
  private readonly times: ValidationTimes
  private readonly metrics: ReadonlyMap<MemoryMetricName, Counter | Gauge>

  constructor(times: ValidationTimes) {
    this.times = times
    const registers = [this.registry]
    collectProcessMetrics(this.registry)
    this.metrics = new Map(
      Object.entries(MEMORY_METRICS).map(([name, metric]) => {
        const labelNames = 'labels' in metric ? [...metric.labels] : []
        const options = { name: `${MEMORY_PREFIX}${name}`, help: metric.about, labelNames, registers }
        return [name as MemoryMetricName, metric.type === 'counter' ? new Counter(options) : new Gauge(options)]
      }),
    )
  }

  async text(figures: Figures): Promise<string> {
    for (const [name, metric] of this.metrics) {
      const figure = figures[name]
      const samples: readonly Sample[] = typeof figure === 'number' ? [{ labels: {}, value: figure }] : figure
      metric.reset()
      for (const { labels, value } of samples) metric.inc(labels, value)
    }
    return `${await this.registry.metrics()}\n${validationSeconds(this.times)}`
  }
}

/** The histogram, in the text format: Prometheus' client keeps no counts that were made elsewhere. */
function validationSeconds(times: ValidationTimes): string {
  const name = `${MEMORY_PREFIX}${VALIDATION_SECONDS.name}`
  const bounds = [...BUCKETS.map(String), '+Inf']
  const lines = LANE_NAMES.flatMap((lane, number) => {
    const { counts, sumSeconds } = times.of(number)
    return [
      ...counts.map((count, at) => `${name}_bucket{lane="${lane}",le="${bounds[at]}"} ${count}`),
      `${name}_sum{lane="${lane}"} ${sumSeconds}`,
      `${name}_count{lane="${lane}"} ${counts.at(-1)}`,
    ]
  })
  return [`# HELP ${name} ${VALIDATION_SECONDS.about}`, `# TYPE ${name} histogram`, ...lines, ''].join('\n')
}
