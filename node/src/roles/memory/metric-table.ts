/**
 * Every metric of a memory node and what it means: the help text of `/metrics` and docs/reference/metrics.md. Names stand here
 * without the `thermocline_memory_` prefix. A metric without a figure (figures.ts), or the other way round, is a type error.
 */

interface Metric {
  readonly type: 'counter' | 'gauge'
  readonly labels?: readonly string[]
  readonly about: string
}

export const MEMORY_PREFIX = 'thermocline_memory_'

export const MEMORY_METRICS = {
  requests_total: { type: 'counter', about: 'Gets and scans that came.' },
  requests_joined_total: { type: 'counter', about: 'Of those, requests that travelled with an equal one.' },
  requests_again_total: { type: 'counter', about: 'Of those, requests that needed another validation.' },
  requests_overloaded_total: { type: 'counter', about: 'Of those, requests refused because too much waited already.' },
  responses_total: {
    type: 'counter',
    labels: ['result'],
    about:
      'Requests by what they were told (label result): answered; not_cached, which is to be asked of the storage tier; refused, with an error.',
  },
  requests_waiting: { type: 'gauge', about: 'Requests that are not answered yet.' },
  client_connections: { type: 'gauge', about: 'Connections to the data port.' },
  unfinished_bytes: { type: 'gauge', about: 'Memory of frames and bodies that are not whole, on all connections.' },
  untaken_bytes: { type: 'gauge', about: 'Answers and frames that the other sides have not taken, on all connections.' },
  pages_looked_up_total: { type: 'counter', about: 'Pages that requests needed, as far as was known when they came.' },
  pages_found_total: { type: 'counter', about: 'Of those, pages that the cache held: divided by them, the hit rate.' },
  validations_total: { type: 'counter', about: 'Validations sent to the storage tier.' },
  validated_series_total: { type: 'counter', about: 'Series in them.' },
  validated_pages_total: { type: 'counter', about: 'Pages in them.' },
  later_series_total: {
    type: 'counter',
    about: 'Series that the storage tier could not answer at once: they are asked about again, patiently.',
  },
  validations_failed_total: {
    type: 'counter',
    about: 'Validations that got no answer; whoever waited was sent to the storage tier, or was told that it is overloaded.',
  },
  verdicts_total: {
    type: 'counter',
    labels: ['verdict'],
    about:
      'Pages by how they stood (label verdict): unchanged, absent, records (those that were new), page (all of it), large (not cached).',
  },
  ring_hits_total: { type: 'counter', labels: ['ring'], about: 'Look-ups in a ring’s index that found something, those of answers too.' },
  ring_misses_total: { type: 'counter', labels: ['ring'], about: 'Look-ups that found nothing.' },
  ring_evictions_total: { type: 'counter', labels: ['ring'], about: 'Pages of a ring that made room for newer ones.' },
  ring_torn_total: { type: 'counter', labels: ['ring'], about: 'Pages of a ring that an ended process had left half written: misses.' },
  ring_bytes: { type: 'gauge', labels: ['ring'], about: 'Bytes of a ring that hold pages.' },
  ring_oldest_age_seconds: {
    type: 'gauge',
    labels: ['ring'],
    about: 'Since when a ring’s oldest page has been there: how long pages live, once the ring is full.',
  },
  cache_bytes: { type: 'gauge', about: 'Size of the cache’s file.' },
  cache_kept: { type: 'gauge', about: '1 if the cache outlived the last process.' },
  epoch: { type: 'gauge', about: 'Epoch of the topology in force, 0 before the first.' },
  traffic_ratio: { type: 'gauge', about: 'Of the reads that could go to the memory tier, the part that does, by that topology: 0 to 1.' },
  newer_than_seconds: { type: 'gauge', about: 'Age of records from which on they are read from the storage tier; 0: none are too old.' },
  warm_up_state: { type: 'gauge', labels: ['state'], about: '1 for how warm the node is (label state): cold, prefetching, ramping, warm.' },
  warm_up_left_seconds: { type: 'gauge', about: 'Until clients give the node its full share.' },
  warm_up_pages: { type: 'gauge', about: 'Pages taken over from peers.' },
  warm_up_bytes: { type: 'gauge', about: 'Their bytes.' },
  state: { type: 'gauge', labels: ['state'], about: '1 for the state the node is in, 0 for the others (label state).' },
  uptime_seconds: { type: 'gauge', about: 'Since the process started.' },
  info: { type: 'gauge', labels: ['version', 'group', 'machine'], about: 'Always 1; the labels say what this node is.' },
} as const satisfies Readonly<Record<string, Metric>>

export type MemoryMetricName = keyof typeof MEMORY_METRICS

/** The one histogram; its buckets stand in validation-times.ts. */
export const VALIDATION_SECONDS = {
  name: 'validation_seconds',
  about:
    'From a validation’s way out to its answer (label lane): held, whose pages the cache has; missing, whose answer brings some; patient, which waits for the storage tier’s disk.',
} as const
