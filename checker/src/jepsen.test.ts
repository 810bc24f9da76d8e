import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { check } from './check.ts'
import { parseJepsenLog } from './jepsen.fixture.ts'
import { registerModel } from './register.ts'

const TESTDATA = new URL('../testdata/', import.meta.url)
const MAX_STEPS = 10_000_000
const read = (name: string): string => readFileSync(new URL(name, TESTDATA), 'utf8')

test('every known verdict about etcd is found again', (t) => {
  const verdicts = read('verdicts.tsv')
    .trim()
    .split('\n')
    .map((line) => line.split('\t') as [string, string])
  assert.equal(verdicts.length, 82)
  const times: number[] = []
  for (const [file, expected] of verdicts) {
    const history = parseJepsenLog(read(`jepsen-etcd/${file}`))
    assert.ok(history.length > 50, file)
    const startedMs = performance.now()
    const { verdict, steps } = check(registerModel, history, MAX_STEPS)
    const tookMs = performance.now() - startedMs
    times.push(tookMs)
    t.diagnostic(`${file}: ${verdict}, ${history.length} operations, ${steps} steps, ${tookMs.toFixed(1)} ms`)
    assert.equal(verdict, expected === 'true' ? 'linearizable' : 'violation', file)
  }
  times.sort((a, b) => a - b)
  t.diagnostic(`median ${times[times.length >> 1]?.toFixed(1)} ms, at most ${times.at(-1)?.toFixed(1)} ms a history`)
})
