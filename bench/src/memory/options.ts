/** Flags of `make bench-memory`. */
import { type CommonOptions, type Defaults, parseWith, positive } from '../options.ts'
import { PEERS, type PeerName } from './peers.ts'

export interface MemoryOptions extends CommonOptions {
  readonly pages: number
  readonly peers: readonly PeerName[]
}

const PAGES = 1_000_000
const QUICK_PAGES = 20_000
const QUICK_SECONDS = 1
/** A batch takes different pages. */
const MIN_PAGES = 1000

export const MEMORY_USAGE = `usage: node bench/src/memory/main.ts [flags]      (make bench-memory ARGS='…' takes the machine-wide lock)
  --quick          one round of 1 s, 20,000 pages: whether all works, in about two minutes
  --pages N        pages that each system holds (1,000,000)
  --rounds N       rounds per workload (3)
  --seconds N      seconds measured per run (4)
  --peers A,B      only beside these: ${PEERS.join(', ')}
  --only REGEX     only workloads whose name matches
  --json           print the results as JSON instead of a table
  --out FILE       where the results go (bench/results/memory-latest.json)
  --compare FILE   compare with earlier results; exit code 1 names the rows that got worse
  --folder DIR     where the data of all systems stands while it runs (bench/.cache)`

/** @throws Error, naming the flag and what was expected. */
export function parseMemoryOptions(args: readonly string[], defaults: Defaults): MemoryOptions {
  const { common, own } = parseWith(args, { ...defaults, quickSeconds: QUICK_SECONDS }, ['pages', 'peers'])
  const pages = positive('--pages', own.pages ?? String(common.isQuick ? QUICK_PAGES : PAGES), Number.isInteger)
  if (pages < MIN_PAGES) throw new Error(`--pages: ${pages} is below ${MIN_PAGES}`)
  const names = own.peers?.split(',') ?? PEERS
  const unknown = names.filter((name) => !(PEERS as readonly string[]).includes(name))
  if (unknown.length > 0) throw new Error(`--peers: ${unknown.join(', ')} is none of ${PEERS.join(', ')}`)
  return { ...common, pages, peers: PEERS.filter((name) => names.includes(name)) }
}
