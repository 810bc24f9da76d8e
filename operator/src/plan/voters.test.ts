import assert from 'node:assert/strict'
import { test } from 'node:test'
import { factsOf, podOf, replicaOf } from './observed.fixture.ts'
import type { ObservedReplica } from './observed.ts'
import { isIdle, isVoter } from './voters.ts'

const ways: readonly [string, Partial<ObservedReplica>, boolean, boolean][] = [
  ['says that it votes', {}, true, false],
  ['learns', { facts: factsOf(0, 0, { state: 'learning', mode: 'LearnerOnly' }) }, false, false],
  ['serves, but not everything', { facts: factsOf(0, 0, { mode: 'LearnerOnly' }) }, false, false],
  ['votes, and is being stopped', { pod: podOf(0, 0, { isDeleting: true }) }, false, false],
  ['does not answer, and was ready a moment ago', { facts: undefined }, false, false],
  ['does not answer, and is not ready', { facts: undefined, pod: podOf(0, 0, { isReady: false }) }, false, false],
  ['ends again and again', { facts: undefined, pod: podOf(0, 0, { trouble: 'CrashLoopBackOff' }) }, false, true],
  ['has no pod', { facts: undefined, pod: undefined }, false, true],
]

for (const [what, change, votes, idle] of ways) {
  test(`a replica that ${what}: ${votes ? 'counts' : 'does not count'}, ${idle ? 'may be stopped' : 'may not be stopped'} for nothing`, () => {
    const one = { ...replicaOf(0, 0), ...change }
    assert.deepEqual([isVoter(one), isIdle(one)], [votes, idle])
  })
}
