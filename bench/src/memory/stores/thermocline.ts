/** Thermocline through its client library, whichever tier answers. A page is one record: a series, and a day of its own in it. */
import type { Client } from '@thermocline/client'
import { connectPool, inGroups } from '../../client-pool.ts'
import { VALUE_BYTES } from '../../workloads.ts'
import { PAGES_PER_SERIES, type PageValue, type Store } from './store.ts'

export const BASE_MS = 1_732_233_600_000
export const SLICE_MS = 24 * 60 * 60 * 1000

export const seriesOf = (page: number): string => `bench-${Math.floor(page / PAGES_PER_SERIES)}`
const idOf = (page: number): { ms: number; seq: number } => ({ ms: BASE_MS + (page % PAGES_PER_SERIES) * SLICE_MS, seq: 0 })
const keyOf = (page: number) => ({ series: seriesOf(page), id: idOf(page) })

export interface ThermoclineOptions {
  readonly endpoints: readonly string[]
  readonly connections: number
  readonly pageValue: PageValue
  /** Loaders that measure let each client find the replicas first, and where all blocks stand. */
  readonly pagesToFind: number
}

export async function openThermocline({ endpoints, connections, pageValue, pagesToFind }: ThermoclineOptions): Promise<Store> {
  const pool = await connectPool(endpoints, connections)
  const of = (client: number) => pool[client % pool.length] as Client
  const put = (client: Client, page: number) => client.put(seriesOf(page), idOf(page), pageValue(page))
  const firstPages = Array.from({ length: Math.ceil(pagesToFind / PAGES_PER_SERIES) }, (_, series) => series * PAGES_PER_SERIES)
  await inGroups(pool, async (client) => {
    for (let at = 0; at < firstPages.length; at += PAGES_PER_SERIES) {
      await client.batchGet(firstPages.slice(at, at + PAGES_PER_SERIES).map(keyOf))
    }
  })
  return {
    async read(client, pages) {
      const [first] = pages as [number]
      const records =
        pages.length === 1 ? [await of(client).get(seriesOf(first), idOf(first))] : await of(client).batchGet(pages.map(keyOf))
      for (const [at, record] of records.entries()) {
        if (record?.value.length !== VALUE_BYTES)
          throw new Error(`page ${pages[at]}: got ${record?.value.length ?? 'no'} bytes; wanted ${VALUE_BYTES}`)
      }
    },
    async write(client, pages) {
      const series = seriesOf(pages[0] as number)
      if (pages.length > 1 && pages.every((page) => seriesOf(page) === series)) {
        await of(client).batchWrite(
          series,
          pages.map((page) => ({ type: 'put', id: idOf(page), value: pageValue(page) })),
        )
        return
      }
      await Promise.all(pages.map((page) => put(of(client), page)))
    },
    close() {
      for (const client of pool) void client.close()
    },
  }
}
