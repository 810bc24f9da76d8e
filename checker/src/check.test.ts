import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '@thermocline/simulation'
import { check } from './check.ts'
import { generate, type RecordOperation } from './generate.fixture.ts'
import { type RecordInput, type RecordOutput, recordModel } from './record.ts'
import { registerModel } from './register.ts'

const MAX_STEPS = 1_000_000
const WHERE = { series: 's', id: '1' }
const NONE = { kind: 'none' } as const
const verdictOf = (history: readonly RecordOperation[]): string => check(recordModel, history, MAX_STEPS).verdict

/** Operations one after the other, each of them long over before the next begins. */
function inOrder(...steps: readonly (readonly [RecordInput, RecordOutput | undefined])[]): RecordOperation[] {
  return steps.map(([input, output], i) => ({
    input,
    output,
    startMs: i * 10,
    endMs: output === undefined ? Number.POSITIVE_INFINITY : i * 10 + 5,
  }))
}

const put = (value: string): RecordInput => ({ ...WHERE, kind: 'put', value, condition: NONE })
const get: RecordInput = { ...WHERE, kind: 'get' }
const done = (version: number): RecordOutput => ({ kind: 'done', version })
const found = (version: number, value?: string): RecordOutput => ({ kind: 'found', version, value })

test('histories that a store could have made are accepted', () => {
  for (let seed = 1; seed <= 300; seed++) {
    const history = generate(new Random(seed), 2 + (seed % 8), 200, 2 + (seed % 4), seed % 3 === 0 ? 0.05 : 0)
    assert.equal(verdictOf(history), 'linearizable', `seed ${seed}`)
  }
})

test('one read that is changed is a violation', () => {
  for (let seed = 1; seed <= 100; seed++) {
    const history = generate(new Random(seed), 4, 100, 2, 0)
    const at = history.findLastIndex(({ output }) => output?.kind === 'found' && output.version > 0)
    const spoilt = history.map((operation, i) => (i === at ? { ...operation, output: found(7, 'never written') } : operation))
    assert.equal(verdictOf(spoilt), 'violation', `seed ${seed}`)
  }
})

test('a stale read, a lost write, a double apply, an older version under a newer one', () => {
  assert.equal(verdictOf(inOrder([put('a'), done(1)], [put('b'), done(2)], [get, found(2, 'b')])), 'linearizable')
  assert.equal(verdictOf(inOrder([put('a'), done(1)], [put('b'), done(2)], [get, found(1, 'a')])), 'violation')
  assert.equal(verdictOf(inOrder([put('a'), done(1)], [get, found(0)])), 'violation')
  // The value comes back under another version: the write took effect twice.
  assert.equal(verdictOf(inOrder([put('a'), done(1)], [get, found(3, 'a')])), 'violation')
  assert.equal(verdictOf(inOrder([put('a'), done(1)], [put('b'), done(2)], [get, found(2, 'b')], [get, found(3, 'a')])), 'violation')
  assert.equal(verdictOf(inOrder([put('a'), done(2)], [put('b'), done(1)])), 'violation')
})

test('two reads that see a write in turn and then not are a violation, in whatever time it took', () => {
  const history: RecordOperation[] = [
    { input: put('a'), output: done(1), startMs: 0, endMs: 100 },
    { input: get, output: found(1, 'a'), startMs: 10, endMs: 20 },
    { input: get, output: found(0), startMs: 30, endMs: 40 },
  ]
  assert.equal(verdictOf(history), 'violation')
  assert.equal(verdictOf([history[0], history[2]] as RecordOperation[]), 'linearizable')
})

test('a write without an outcome takes effect at any time, or never, and once', () => {
  assert.equal(verdictOf(inOrder([put('a'), undefined], [get, found(0)])), 'linearizable')
  assert.equal(verdictOf(inOrder([put('a'), undefined], [get, found(0)], [get, found(4, 'a')])), 'linearizable')
  assert.equal(verdictOf(inOrder([put('a'), undefined], [get, found(4, 'a')], [get, found(0)])), 'violation')
  assert.equal(verdictOf(inOrder([put('a'), undefined], [get, found(4, 'a')], [get, found(5, 'a')])), 'violation')
  // Nobody was told its version: a condition on it may hold or not, but says which.
  const guarded: RecordInput = { ...put('b'), condition: { kind: 'ifVersion', version: 4 } } as RecordInput
  assert.equal(verdictOf(inOrder([put('a'), undefined], [get, found(4, 'a')], [guarded, done(5)])), 'linearizable')
  assert.equal(verdictOf(inOrder([put('a'), undefined], [guarded, done(5)], [get, found(5, 'b')])), 'linearizable')
  assert.equal(verdictOf(inOrder([put('a'), undefined], [get, found(3, 'a')], [guarded, done(5)])), 'violation')
})

test('conditions', () => {
  const ifAbsent: RecordInput = { ...put('b'), condition: { kind: 'ifAbsent' } } as RecordInput
  assert.equal(verdictOf(inOrder([put('a'), done(1)], [ifAbsent, { kind: 'refused' }])), 'linearizable')
  assert.equal(verdictOf(inOrder([put('a'), done(1)], [ifAbsent, done(2)])), 'violation')
  assert.equal(verdictOf(inOrder([{ ...WHERE, kind: 'delete', condition: NONE }, done(1)], [ifAbsent, { kind: 'refused' }])), 'violation')
})

test('keys are checked alone, and the one that is wrong is named', () => {
  const other: RecordInput = { series: 't', id: '1', kind: 'get' }
  const result = check(recordModel, inOrder([put('a'), done(1)], [other, found(1, 'a')]), MAX_STEPS)
  assert.deepEqual([result.verdict, result.key, result.stuckAt?.input], ['violation', '["t","1"]', other])
})

test('a search that reaches its limit says so', () => {
  assert.equal(check(recordModel, generate(new Random(1), 8, 400, 1, 0), 10).verdict, 'undecided')
})

test('what happens at the same moment is concurrent', () => {
  const write = { kind: 'write', value: '1' } as const
  const history = [
    { input: write, output: {}, startMs: 0, endMs: 5 },
    { input: { kind: 'read' } as const, output: { value: undefined }, startMs: 5, endMs: 6 },
  ]
  assert.equal(check(registerModel, history, MAX_STEPS).verdict, 'linearizable')
})
