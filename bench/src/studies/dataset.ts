/** Fills a cluster before it is measured: many series, each with as many records, spread evenly over some slices of time. */
import { connect } from '@thermocline/client'
import type { Dataset } from './study.ts'

const FIRST_MS = 1_600_000_000_000
const SLICE_MS = 86_400_000
const VALUE = new Uint8Array(70).fill(118)
const BATCHES_AT_ONCE = 64
const SAY_EVERY_MS = 5000

/** Each call writes the records that one series has in one slice. */
export async function fill(endpoints: readonly string[], { series, recordsPerSeries, slices }: Dataset, say: (line: string) => void) {
  const client = await connect({ endpoints })
  const perSlice = Math.ceil(recordsPerSeries / slices)
  const total = series * slices
  let next = 0
  let saidAtMs = performance.now()
  const loop = async (): Promise<void> => {
    while (next < total) {
      const at = next++
      const slice = Math.floor(at / series)
      const count = Math.min(perSlice, recordsPerSeries - slice * perSlice)
      if (count <= 0) continue
      const firstMs = FIRST_MS + slice * SLICE_MS
      await client.batchWrite(
        `load-${at % series}`,
        Array.from({ length: count }, (_, record) => ({ type: 'put' as const, id: { ms: firstMs + record * 1000, seq: 0 }, value: VALUE })),
        { timeoutMs: 60_000 },
      )
      if (performance.now() - saidAtMs < SAY_EVERY_MS) continue
      saidAtMs = performance.now()
      say(`filled ${Math.round((100 * at) / total)} %`)
    }
  }
  try {
    await Promise.all(Array.from({ length: BATCHES_AT_ONCE }, loop))
  } finally {
    client.close()
  }
}
