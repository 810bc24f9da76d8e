/** What is measured of the memory tier and its peers: reads alone and with some writes, one by one and in batches. */

export interface MemoryWorkload {
  readonly name: string
  readonly clients: number
  /** Records per call, a write's too. */
  readonly batch: number
  /** Of all calls, so many are writes. */
  readonly writeShare: number
  /** Calls per second of all clients together, if not as many as they can. */
  readonly rate?: number
  /** At a rate: what is due begins together every so many ms. */
  readonly burstMs?: number
}

const BATCH = 32
const READS_PER_WRITE = 100
const CLIENTS = [1, 128, 512] as const

export function memoryWorkload(clients: number, batch: number, isMixed: boolean): MemoryWorkload {
  const parts = [
    isMixed ? `get and put ${READS_PER_WRITE}:1` : 'get',
    ...(batch > 1 ? [`batches of ${batch}`] : []),
    `${clients} client${clients === 1 ? '' : 's'}`,
  ]
  return { name: parts.join(', '), clients, batch, writeShare: isMixed ? 1 / (READS_PER_WRITE + 1) : 0 }
}

export const MEMORY_WORKLOADS: readonly MemoryWorkload[] = [false, true].flatMap((isMixed) =>
  [1, BATCH].flatMap((batch) => CLIENTS.map((clients) => memoryWorkload(clients, batch, isMixed))),
)

/** The workloads of a run. @throws Error if the pattern leaves none. */
export function chooseMemoryWorkloads(only: RegExp | undefined): readonly MemoryWorkload[] {
  const chosen = MEMORY_WORKLOADS.filter(({ name }) => only?.test(name) ?? true)
  if (chosen.length > 0) return chosen
  const names = MEMORY_WORKLOADS.map(({ name }) => name).join('\n  ')
  throw new Error(`--only ${only?.source}: matches no workload; there are:\n  ${names}`)
}
