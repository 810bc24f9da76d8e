import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { editsOf, mutate } from '@thermocline/simulation'
import { ProcessTable } from '../../../src/paxos/processes.ts'
import { BallotLedger } from '../ballot-ledger.ts'
import { allInvariants } from '../invariants/mod.ts'
import { ADDON, LOADER } from './mutant-addon.ts'
import { MUTANTS } from './mutants.ts'
import { sourceOf } from './source-of.ts'

test('every place that a mutant changes stands exactly once, and names an invariant that there is', () => {
  const invariants = new Set(['converges', ...allInvariants(new BallotLedger(3), new ProcessTable()).map(({ name }) => name)])
  for (const mutant of MUTANTS) {
    for (const [file, edits] of editsOf(mutant)) {
      const source = readFileSync(sourceOf(file), 'utf8')
      assert.notEqual(mutate(source, mutant.name, edits), source, mutant.name)
    }
    for (const name of mutant.caughtBy) assert.ok(invariants.has(name), `${mutant.name}: ${name}`)
  }
  assert.equal(new Set(MUTANTS.map(({ name }) => name)).size, MUTANTS.length)
})

test('a mutant of the addon can take its place', () => {
  const loader = readFileSync(LOADER, 'utf8')
  assert.notEqual(mutate(loader, 'any', [{ file: 'mod.ts', find: ADDON, replace: '' }]), loader)
})
