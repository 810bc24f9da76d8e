import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { ProcessTable } from '../../../src/paxos/processes.ts'
import { BallotLedger } from '../ballot-ledger.ts'
import { allInvariants } from '../invariants/mod.ts'
import { MUTANTS } from './mutants.ts'
import { editsOf, mutate, sourceOf } from './mutate.ts'

test('every place that a mutant changes stands exactly once, and names an invariant that there is', () => {
  const invariants = new Set(['converges', ...allInvariants(new BallotLedger(3), new ProcessTable()).map(({ name }) => name)])
  for (const mutant of MUTANTS) {
    for (const [file, edits] of editsOf(mutant)) {
      const source = readFileSync(sourceOf({ file }), 'utf8')
      assert.notEqual(mutate(source, mutant.name, edits), source, mutant.name)
    }
    for (const name of mutant.caughtBy) assert.ok(invariants.has(name), `${mutant.name}: ${name}`)
  }
  assert.equal(new Set(MUTANTS.map(({ name }) => name)).size, MUTANTS.length)
})

test('a mutant whose text is gone, or stands twice, is an error', () => {
  const edits = [
    { file: 'f.ts', find: 'x', replace: 'y' },
    { file: 'f.ts', find: 'a', replace: '' },
  ]
  assert.equal(mutate('a x b', 'm', edits), ' y b')
  assert.throws(() => mutate('a b', 'm', edits), /stands 0 times/)
  assert.throws(() => mutate('a x x', 'm', edits), /stands 2 times/)
})
