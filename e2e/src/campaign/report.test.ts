import assert from 'node:assert/strict'
import { test } from 'node:test'
import { History, type Recorded } from './history.ts'
import { brokenPromises } from './promises.ts'
import { definiteShare, figuresOf } from './report.ts'

const WHERE = { series: 's', id: '1-0' }
const get = (startMs: number, toldMs: number): Recorded => ({
  input: { ...WHERE, kind: 'get' },
  output: { kind: 'found', version: 0, value: undefined },
  startMs,
  endMs: toldMs,
  toldMs,
  outcome: 'ok',
  code: undefined,
})
const put = (startMs: number, outcome: 'ok' | 'unknown'): Recorded => ({
  input: { ...WHERE, kind: 'put', value: 'a', condition: { kind: 'none' } },
  output: outcome === 'ok' ? { kind: 'done', version: 1 } : undefined,
  startMs,
  endMs: outcome === 'ok' ? startMs + 1 : Number.POSITIVE_INFINITY,
  toldMs: startMs + 1,
  outcome,
  code: undefined,
})

test('the gap around a fault is the longest time that a series was not answered', () => {
  const runs = [{ kind: 'kill one', leavesMajority: true, fromMs: 100, toMs: 200 }]
  const [figures] = figuresOf([get(0, 10), get(80, 90), get(100, 450), get(2000, 2010)], runs)
  assert.deepEqual([figures?.maxGapMs, figures?.runs, figures?.operations], [360, 1, 1])
})

test('operations without an outcome count against the share, but not around faults that leave no majority', () => {
  const run = { kind: 'kill all', leavesMajority: false, fromMs: 100, toMs: 200 }
  assert.equal(definiteShare([get(0, 1), put(150, 'unknown')], [run]), 1)
  assert.equal(definiteShare([get(0, 1), put(150, 'unknown')], [{ ...run, leavesMajority: true }]), 0.5)
})

test('a lost write, a long gap and too many unknown outcomes are broken promises', () => {
  const history = new History()
  history.add(put(0, 'ok'))
  history.add(get(10, 11))
  const { verdict } = history.check()
  assert.equal(verdict, 'violation')
  const kind = { kind: 'kill one', leavesMajority: true, runs: 1, medianGapMs: 1, maxGapMs: 6000, operations: 1, unknown: 0 }
  const result = { figures: [kind], operations: 1, verdict, stuckAt: 'get', definiteShare: 0.9, agreedEntries: 1, lasted: '' }
  assert.equal(brokenPromises(result).length, 3)
  const sound = { ...result, figures: [{ ...kind, maxGapMs: 500 }], verdict: 'linearizable', definiteShare: 0.99 }
  assert.deepEqual(brokenPromises(sound), [])
})
