import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { abortAfter } from './abort-after.ts'
import { osClock } from './os/clock.ts'

test('a signal is aborted after its time, and not before, nor when that was cancelled', (context: TestContext) => {
  context.mock.timers.enable({ apis: ['setTimeout'] })
  const due = abortAfter(osClock, 100)
  const cancelled = abortAfter(osClock, 100)
  context.mock.timers.tick(99)
  assert.equal(due.signal.aborted, false)
  cancelled.cancel()
  context.mock.timers.tick(1)
  assert.deepEqual([due.signal.aborted, cancelled.signal.aborted], [true, false])
})
