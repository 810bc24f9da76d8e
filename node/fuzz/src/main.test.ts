/** A process that an input ends is a finding, and is told with what runs it again. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'

const MAIN = join(import.meta.dirname, 'main.ts')
const ADDON = pathToFileURL(join(import.meta.dirname, '../../../native/src/mod.ts'))

/** Runs the fuzzer of the memory tier; where `call` is given, its call of that number ends the process, as a sanitizer would. */
function run(inputs: number, call?: number): { status: number | null; output: string } {
  const planted = `import { native } from '${ADDON}'; const { tierTake } = native; let calls = 0;
    native.tierTake = (...all) => { if (++calls === ${call}) process.abort(); tierTake(...all) }`
  const planting = call === undefined ? [] : [`--import=data:text/javascript,${encodeURIComponent(planted)}`]
  const { status, stdout } = spawnSync(process.execPath, [MAIN, '--only', 'memory-tier', '--seed', '3', '--inputs', String(inputs)], {
    env: { ...process.env, NODE_OPTIONS: planting.join(' ') },
    encoding: 'utf8',
  })
  return { status, output: stdout }
}

test('an input that ends the process is named, and ends it again', () => {
  const first = run(500, 100)
  assert.equal(first.status, 1)
  const [, episode, inputs] = /again: make fuzz ONLY=memory-tier SEED=3 FROM=(\d+) INPUTS=(\d+)/.exec(first.output) ?? []
  assert.equal(episode, '0', first.output)
  assert.match(first.output, /memory-tier FAILED at input \d+ of episode 0: the process ended with SIGABRT/)
  const again = run(Number(inputs), 100)
  assert.deepEqual(again, first)
})

test('what finds nothing says so', () => {
  const { status, output } = run(50)
  assert.equal(status, 0)
  assert.match(output, /nothing was found/)
})
