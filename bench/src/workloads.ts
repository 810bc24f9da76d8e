/** What is measured: one row of the table each. */

export type Mode = 'put' | 'get' | 'batchput' | 'batchget'

export interface Workload {
  readonly name: string
  readonly mode: Mode
  readonly clients: number
  /** Records per call. */
  readonly batch: number
  /** Series of ours, so many blocks in play. */
  readonly series: number
  /** Which system it is held against: etcd, or ours with the usual number of blocks in play. */
  readonly against: 'etcd' | 'ourselves'
  /** What a reader must know to judge the row. */
  readonly caveat?: string
}

export const KEYS = 10_000
export const VALUE_BYTES = 200
export const USUAL_SERIES = 64
const BATCH = 32

const single = (mode: 'put' | 'get', clients: number): Workload => ({
  name: `${mode}, ${clients} client${clients === 1 ? '' : 's'}`,
  mode,
  clients,
  batch: 1,
  series: USUAL_SERIES,
  against: 'etcd',
})

export const WORKLOADS: readonly Workload[] = [
  ...[1, 16, 128, 512].map((clients) => single('put', clients)),
  ...[1, 16, 128, 512].map((clients) => single('get', clients)),
  {
    name: `put, batches of ${BATCH}, 16 clients`,
    mode: 'batchput',
    clients: 16,
    batch: BATCH,
    series: USUAL_SERIES,
    against: 'etcd',
    caveat: `etcd: one atomic transaction of ${BATCH} puts. Thermocline: ${BATCH} puts to as many series at once, each atomic by itself.`,
  },
  {
    name: `get, batches of ${BATCH}, 16 clients`,
    mode: 'batchget',
    clients: 16,
    batch: BATCH,
    series: USUAL_SERIES,
    against: 'etcd',
    caveat: `etcd: one transaction of ${BATCH} gets, one snapshot. Thermocline: one batchGet over ${BATCH} series, each linearizable at a moment of its own.`,
  },
  ...(['put', 'get'] as const).map(
    (mode): Workload => ({ ...single(mode, 128), name: `${mode}, 128 clients, 1 block in play`, series: 1, against: 'ourselves' }),
  ),
]

const QUICK = new Set(['put, 128 clients', 'get, 128 clients'])

/** The workloads of a run. @throws Error if the pattern leaves none. */
export function chooseWorkloads(only: RegExp | undefined, isQuick: boolean): readonly Workload[] {
  const chosen = WORKLOADS.filter(({ name }) => (isQuick ? QUICK.has(name) : true) && (only?.test(name) ?? true))
  if (chosen.length > 0) return chosen
  throw new Error(`--only ${only?.source}: matches no workload; there are:\n  ${WORKLOADS.map(({ name }) => name).join('\n  ')}`)
}
