/** Every planted bug is caught, by the invariant that is there for it. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { editsOf, mutate } from '@thermocline/simulation'
import { MUTANTS } from './mutants.ts'
import { sourceOf } from './plant.ts'
import type { Caught } from './run-mutant.ts'

const RUN = fileURLToPath(new URL('./run-mutant.ts', import.meta.url))
const SEEDS = 100
const run = promisify(execFile)

async function caughtOf(name: string): Promise<Caught | null> {
  const { stdout } = await run(process.execPath, ['--disable-warning=ExperimentalWarning', RUN, '--name', name, '--seeds', String(SEEDS)])
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? 'null') as Caught | null
}

test('every place that a mutant changes stands exactly once', () => {
  for (const mutant of MUTANTS) {
    for (const [file, edits] of editsOf(mutant)) {
      const source = readFileSync(sourceOf(file), 'utf8')
      assert.notEqual(mutate(source, mutant.name, edits), source, mutant.name)
    }
  }
})

for (const { name, caughtBy, why } of MUTANTS) {
  test(`${name} is caught: ${why}`, async () => {
    const caught = await caughtOf(name)
    assert.ok(caught !== null, `no invariant reported it within ${SEEDS} seeds`)
    assert.ok(caughtBy.includes(caught.invariant), `seed ${caught.seed}: ${caught.message}`)
  })
}
