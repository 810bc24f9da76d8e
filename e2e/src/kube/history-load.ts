/**
 * Clients inside the cluster's network, until standard input ends: `history-load.ts PREFIX ENDPOINT…`, where no series with that
 * prefix has been written before. Prints `ready` when the first answers have come, and at the end one line of JSON, a
 * `HistoryReport`.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { History } from '../campaign/history.ts'
import { Load, SERIES } from '../campaign/load.ts'

export interface HistoryReport {
  readonly operations: number
  /** Requests that were not answered, or answered with an error that is not the record's own condition; the first few. */
  readonly failures: readonly string[]
  readonly verdict: string
  /** Longest time between two answers. */
  readonly longestGapMs: number
  /** By epoch: when the last of the clients had that topology or a newer one, in Unix milliseconds. */
  readonly epochs: Readonly<Record<number, number>>
}

const READY_POLL_MS = 20
const MOST_FAILURES = 10

const history = new History()
const [prefix = '', ...endpoints] = process.argv.slice(2)
const load = await Load.start(history, endpoints, prefix)
/** Per client, the epochs that it came to hold, and when. */
const held = load.clients.map((client) => {
  const epochs: { epoch: number; atMs: number }[] = []
  const watch = async (): Promise<void> => {
    for await (const { epoch } of client.watchTopology()) epochs.push({ epoch, atMs: Date.now() })
  }
  return { epochs, ended: watch() }
})
while (history.answeredSince(0) < SERIES / 2) await delay(READY_POLL_MS)
process.stdout.write('ready\n')
for await (const _ of process.stdin);
await load.stop()
await load.close()
await Promise.all(held.map(({ ended }) => ended))

const epochs = Object.fromEntries(
  [...new Set(held.flatMap(({ epochs }) => epochs.map(({ epoch }) => epoch)))].flatMap((wanted) => {
    const each = held.map(({ epochs }) => epochs.find(({ epoch }) => epoch >= wanted)?.atMs)
    return each.includes(undefined) ? [] : [[wanted, Math.max(...(each as number[]))]]
  }),
)
const failed = history.operations.filter(({ outcome }) => outcome !== 'ok')
const told = history.operations.map(({ toldMs }) => toldMs).toSorted((a, b) => a - b)
const report: HistoryReport = {
  operations: history.operations.length,
  failures: failed
    .slice(0, MOST_FAILURES)
    .map(({ input, outcome, code }) => `${input.kind} ${input.series}: ${outcome}, ${code ?? 'no code'}`),
  verdict: history.check().verdict,
  longestGapMs: Math.round(Math.max(0, ...told.slice(1).map((ms, at) => ms - (told[at] as number)))),
  epochs,
}
process.stdout.write(`${JSON.stringify(report)}\n`)
