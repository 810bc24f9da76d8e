import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { ProcessTable } from '../../../src/paxos/processes.ts'
import { BallotLedger } from '../ballot-ledger.ts'
import { allInvariants } from '../invariants/mod.ts'
import { MUTANTS } from './mutants.ts'
import { mutate, sourceOf } from './plant.ts'

test('every mutant changes exactly one place, and names an invariant that there is', () => {
  const invariants = new Set(['converges', ...allInvariants(new BallotLedger(3), new ProcessTable()).map(({ name }) => name)])
  for (const mutant of MUTANTS) {
    const source = readFileSync(sourceOf(mutant), 'utf8')
    assert.notEqual(mutate(source, mutant), source, mutant.name)
    for (const name of mutant.caughtBy) assert.ok(invariants.has(name), `${mutant.name}: ${name}`)
  }
  assert.equal(new Set(MUTANTS.map(({ name }) => name)).size, MUTANTS.length)
})

test('a mutant whose text is gone, or stands twice, is an error', () => {
  const mutant = { name: 'm', file: 'f.ts', find: 'x', replace: 'y', caughtBy: [], why: '' }
  assert.equal(mutate('a x b', mutant), 'a y b')
  assert.throws(() => mutate('a b', mutant), /stands 0 times/)
  assert.throws(() => mutate('x x', mutant), /stands 2 times/)
})
