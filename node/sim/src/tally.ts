/** What a run over many seeds has come to so far; a long run keeps it in a file, and goes on from there. */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { z } from 'zod'
import type { SeedResult } from './run-seed.ts'

const tallySchema = z.strictObject({
  from: z.number().int(),
  /** The first seed that has not been run. */
  next: z.number().int(),
  operations: z.number(),
  /** Violations by seed. */
  failures: z.record(z.string(), z.string()),
  hits: z.record(z.string(), z.number()),
})

export type Tally = z.infer<typeof tallySchema>

/** @throws Error if the file holds a run from another seed. */
export function openTally(path: string | undefined, from: number): Tally {
  const fresh: Tally = { from, next: from, operations: 0, failures: {}, hits: {} }
  if (path === undefined || !existsSync(path)) return fresh
  const found = tallySchema.parse(JSON.parse(readFileSync(path, 'utf8')))
  if (found.from !== from)
    throw new Error(`${path}: holds a run from seed ${found.from}; expected ${from}. Name another file, or --from ${found.from}`)
  return found
}

export function saveTally(path: string | undefined, tally: Tally): void {
  if (path === undefined) return
  writeFileSync(`${path}.new`, `${JSON.stringify(tally, undefined, 2)}\n`)
  renameSync(`${path}.new`, path)
}

export function addResult(tally: Tally, { seed, operations, hits, error }: SeedResult): void {
  tally.next = seed + 1
  tally.operations += operations
  for (const [name, count] of Object.entries(hits)) tally.hits[name] = (tally.hits[name] ?? 0) + count
  if (error !== undefined) tally.failures[seed] = error.message
}
