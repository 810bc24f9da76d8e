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
  /** Records of a batch are all of one series. */
  readonly isOneSeries?: boolean
  /**
   * Open connections, if not min(clients, 64). 'clients': an object of the library for each client. A number: so many, and
   * each call goes over one chosen by chance (ours only).
   */
  readonly connections?: 'clients' | number
  /** Calls per second, over all clients, if not as many as they can: for a comparison in which one side costs its loader more. */
  readonly rate?: number
  /** What it is held against: etcd, or ours under another workload. */
  readonly against: 'etcd' | Workload
  /** What a reader must know to judge the row. */
  readonly caveat?: string
}

export const KEYS = 10_000
export const VALUE_BYTES = 200
export const USUAL_SERIES = 64
const BATCH = 32

/** So many connections are open at a node of a large deployment; few of them have a call at a time. */
const MANY_CONNECTIONS = 8000

const single = (mode: 'put' | 'get', clients: number): Workload => ({
  name: `${mode}, ${clients} client${clients === 1 ? '' : 's'}`,
  mode,
  clients,
  batch: 1,
  series: USUAL_SERIES,
  against: 'etcd',
})

const BOTH = ['put', 'get'] as const

const ownConnections = (mode: 'put' | 'get'): Workload => ({
  ...single(mode, 128),
  name: `${mode}, 128 clients, own connections`,
  connections: 'clients',
  caveat: 'a library object for each client: 384 connections of ours, one to each replica, and 128 of etcd.',
})

const batches = (mode: 'put' | 'get'): Workload => ({
  ...single(mode, 16),
  name: `${mode}, batches of ${BATCH}, 16 clients`,
  mode: `batch${mode}`,
  batch: BATCH,
  caveat:
    mode === 'put'
      ? `etcd: one atomic transaction of ${BATCH} puts. Thermocline: ${BATCH} puts to as many series at once, each atomic by itself.`
      : `etcd: one transaction of ${BATCH} gets, one snapshot. Thermocline: one batchGet over ${BATCH} series, each linearizable at a moment of its own.`,
})

const oneSeriesBatches = (mode: 'put' | 'get'): Workload => ({
  ...batches(mode),
  name: `${mode}, batches of ${BATCH} of one series, 16 clients`,
  isOneSeries: true,
  caveat: `one transaction of etcd beside one ${mode === 'put' ? 'batchWrite' : 'batchGet'} of one series: both atomic.`,
})

const oneBlock = (mode: 'put' | 'get'): Workload => ({
  ...single(mode, 128),
  name: `${mode}, 128 clients, 1 block in play`,
  series: 1,
  against: { ...single(mode, 128), name: `${USUAL_SERIES} blocks in play` },
})

/** As many clients as connections to three replicas take, each with its own, all at work at once. */
const manyClients = (mode: 'put' | 'get'): Workload => ({
  ...single(mode, Math.floor(MANY_CONNECTIONS / 3)),
  name: `${mode}, ${MANY_CONNECTIONS.toLocaleString('en')} connections, a client for each three`,
  connections: 'clients',
  against: { ...single(mode, 128), name: '128 clients, own connections', connections: 'clients' },
  caveat: `${Math.floor(MANY_CONNECTIONS / 3)} clients against 128, each with a connection to each replica and one call at a time.`,
})

/** Calls per second that leave the machine some room, so that what shares a tick is the same on both sides. */
const MODERATE_RATE = { put: 10_000, get: 20_000 } as const

const manyConnections = (mode: 'put' | 'get'): Workload => {
  const paced = { ...single(mode, 128), rate: MODERATE_RATE[mode] }
  const rate = `${paced.rate.toLocaleString('en')} a second`
  return {
    ...paced,
    name: `${mode}, 128 clients, ${MANY_CONNECTIONS.toLocaleString('en')} connections, ${rate}`,
    connections: MANY_CONNECTIONS,
    against: { ...paced, name: `128 clients, own connections, ${rate}`, connections: 'clients' },
    caveat: `128 clients on both sides, ${rate} in all: each call over one of ${MANY_CONNECTIONS} open connections chosen by chance, and over connections of the client's own.`,
  }
}

export const WORKLOADS: readonly Workload[] = [
  ...[1, 16, 128, 512].map((clients) => single('put', clients)),
  ...[1, 16, 128, 512].map((clients) => single('get', clients)),
  ...BOTH.map(batches),
  ...BOTH.map(oneSeriesBatches),
  ...BOTH.map(ownConnections),
  ...BOTH.map(oneBlock),
  ...BOTH.map(manyClients),
  ...BOTH.map(manyConnections),
]

const QUICK = new Set(['put, 128 clients', 'get, 128 clients'])

/** The workloads of a run. @throws Error if the pattern leaves none. */
export function chooseWorkloads(only: RegExp | undefined, isQuick: boolean): readonly Workload[] {
  const chosen = WORKLOADS.filter(({ name }) => (isQuick ? QUICK.has(name) : true) && (only?.test(name) ?? true))
  if (chosen.length > 0) return chosen
  throw new Error(`--only ${only?.source}: matches no workload; there are:\n  ${WORKLOADS.map(({ name }) => name).join('\n  ')}`)
}
