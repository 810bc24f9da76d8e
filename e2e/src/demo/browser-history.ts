/**
 * The data of the demo: which feature of the web came to which browser, and when, from 1995 to today. MDN's
 * browser-compat-data (CC0) has for every feature the version of each browser that brought it, and for every version the
 * day it was released: more than 200,000 dated records. A series per browser, a record per feature.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'

export interface History {
  readonly records: number
  readonly bytes: number
  /** What `import` will have written: by series, then by id. */
  readonly expected: ReadonlyMap<string, ReadonlyMap<string, string>>
}

interface Support {
  readonly version_added?: string | boolean | null
}

interface Compat {
  readonly support?: Readonly<Record<string, Support | readonly Support[]>>
}

interface Arrival {
  readonly browser: string
  readonly date: string
  readonly version: string
  readonly feature: string
}

type Releases = Readonly<Record<string, { readonly releases: Readonly<Record<string, { readonly release_date?: string }>> }>>

/** Writes the history as NDJSON, oldest first. */
export function writeBrowserHistory(path: string): History {
  const file = createRequire(import.meta.url).resolve('@mdn/browser-compat-data')
  const data = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>
  const arrivals: Arrival[] = []
  for (const [name, tree] of Object.entries(data)) {
    if (name !== 'browsers' && name !== '__meta') collect(tree, name, data.browsers as Releases, arrivals)
  }
  arrivals.sort((a, b) => (a.date < b.date ? -1 : a.date > b.date ? 1 : 0))
  const lines = arrivals.map((arrival) => JSON.stringify(arrival))
  const text = `${lines.join('\n')}\n`
  writeFileSync(path, text)
  return { records: arrivals.length, bytes: Buffer.byteLength(text), expected: expectedRecords(arrivals, lines) }
}

/** A feature is a node of the tree that has `__compat`; features nest. */
function collect(node: unknown, path: string, browsers: Releases, into: Arrival[]): void {
  if (node === null || typeof node !== 'object') return
  for (const [name, child] of Object.entries(node)) {
    if (name !== '__compat') collect(child, `${path}.${name}`, browsers, into)
    else
      for (const [browser, support] of Object.entries((child as Compat).support ?? {})) addArrival(browser, support, path, browsers, into)
  }
}

function addArrival(browser: string, support: Support | readonly Support[], feature: string, browsers: Releases, into: Arrival[]): void {
  const [first] = Array.isArray(support) ? (support as readonly Support[]) : [support as Support]
  if (typeof first?.version_added !== 'string') return
  // "≤79": known to be there at 79, perhaps earlier.
  const version = first.version_added.replace('≤', '')
  const date = browsers[browser]?.releases[version]?.release_date
  if (date !== undefined) into.push({ browser, date, version, feature })
}

/** `import` numbers the records of one series and time in the order of the file. */
function expectedRecords(arrivals: readonly Arrival[], lines: readonly string[]): Map<string, Map<string, string>> {
  const expected = new Map<string, Map<string, string>>()
  const counts = new Map<string, number>()
  arrivals.forEach(({ browser, date }, at) => {
    const seq = counts.get(`${browser} ${date}`) ?? 0
    counts.set(`${browser} ${date}`, seq + 1)
    let records = expected.get(browser)
    if (records === undefined) {
      records = new Map()
      expected.set(browser, records)
    }
    records.set(`${Date.parse(date)}-${seq}`, lines[at] as string)
  })
  return expected
}
