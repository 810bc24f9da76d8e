/**
 * The bounds of the simulated code at an extreme, so that a few clients meet them all: `--bounds small`. Constants are changed where they
 * are loaded, as planted bugs are, so that the shipped code has nothing for it.
 */
import { readFileSync } from 'node:fs'
import { type Edit, plantEdits } from '@thermocline/simulation'
import { sourceOf } from './mutants/source-of.ts'

/** By file from node/src: names of constants, and what they are instead. */
export const SMALL_BOUNDS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  '../../client/src/constants.ts': {
    MAX_IN_FLIGHT_REQUESTS: 2,
    MAX_IN_FLIGHT_BYTES: 512,
    FRAME_TARGET_BYTES: 128,
    MAX_OPEN_CALLS: 3,
    SERIES_CACHE_ENTRIES: 1,
    WRITER_BYTES: 64,
  },
  '../../client/src/retry-budget.ts': { MOST: 2 },
  '../../client/src/open-requests.ts': { LEAST_PLACES: 1 },
  '../../protocol/src/constants.ts': { MAX_ENTRY_REQUESTS: 2, MAX_BATCH_REQUESTS: 3 },
  'server/connection.ts': {
    MAX_CONNECTION_REQUESTS: 2,
    PAUSE_BYTES: 128,
    FLUSH_BYTES: 64,
    WRITER_BYTES: 32,
    MAX_SPARE_WRITERS: 1,
    MAX_SPARE_BYTES: 64,
  },
  'roles/storage/topology-store.ts': { MAX_WATCHERS: 1 },
  'roles/memory/memory-node.ts': { MAX_WATCHERS: 1 },
  'paxos/constants.ts': {
    MAX_FETCHES: 1,
    FETCH_BYTES: 256,
    FETCH_ENTRIES: 2,
    SNAPSHOT_PART_BYTES: 512,
    MANY_NOTICES: 1,
    MAX_ROUND_BLOCKS: 1,
    MAX_SWEPT_BLOCKS: 1,
    MAX_COMPARING: 1,
    MAX_AUDITS: 1,
    MAX_AUDIT_HINTS: 1,
    MAX_DIGEST_QUERIES: 1,
    MAX_BATCH_BLOCKS: 1,
  },
  'replica/peers.ts': { FULL_FRAME_BYTES: 256, MAX_REMEMBERED_FORWARDS: 4, MAX_SPARE_BYTES: 64 },
  'replica/replica.ts': { MAX_PENDING_LOG_BYTES: 1024 },
  'replica/applier.ts': { BATCH_BYTES: 512 },
  'replica/copy-server.ts': { MAX_SERVED: 1 },
  'replica/copier.ts': { MAX_BATCHES: 1 },
  'wal/write-reader.ts': { CHUNK_BYTES: 512 },
}

/** The changes of one source. @throws Error if a name is not that of one constant there. */
export function editsOf(file: string, source: string): Edit[] {
  return Object.entries(SMALL_BOUNDS[file] ?? {}).map(([name, small]) => {
    const found = source.match(new RegExp(`const ${name} = [^\n]+\n`, 'g'))
    if (found?.length !== 1) throw new Error(`${file}: ${name} is the name of ${found?.length ?? 0} constants; expected one`)
    return { file, find: found[0], replace: `const ${name} = ${small}\n` }
  })
}

/** To be called before anything imports the files. */
export function plantSmallBounds(): void {
  const edits = Object.keys(SMALL_BOUNDS).map((file) => {
    const source = sourceOf(file)
    return [source.href, editsOf(file, readFileSync(source, 'utf8'))] as const
  })
  plantEdits('small bounds', new Map(edits))
}
