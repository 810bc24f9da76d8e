/** A thread of readers that scan the newest ten records of a series to the scan's end, one scan after the other, until they are told to stop. */
import { parentPort, workerData } from 'node:worker_threads'
import { connect } from '@thermocline/client'

export interface ReadersOptions {
  readonly endpoints: readonly string[]
  readonly series: string
  readonly readers: number
}

export interface ReadersTold {
  /** Ended ones. */
  readonly scans: number
  readonly tookMs: number
}

const LIMIT = 10

const { endpoints, series, readers } = workerData as ReadersOptions
let isOver = false
parentPort?.once('message', () => {
  isOver = true
})
const beganMs = performance.now()
let scans = 0
const client = await connect({ endpoints, defaultTimeoutMs: 30_000 })
await Promise.all(
  Array.from({ length: readers }, async () => {
    while (!isOver) {
      let continuation: string | undefined
      let left = LIMIT
      do {
        const page = await client.scanPage(series, { limit: left, continuation })
        left -= page.records.length
        continuation = page.continuation
      } while (continuation !== undefined && left > 0 && !isOver)
      if (!isOver) scans++
    }
  }),
)
client.close()
parentPort?.postMessage({ scans, tookMs: performance.now() - beganMs } satisfies ReadersTold)
