import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkBounds, decideLease, LEASE_BOUNDS, type LeaseAction, type LeaseView, observe } from './lease-decision.ts'

const view = (over: Partial<LeaseView> = {}): LeaseView => ({
  holder: 'other',
  durationMs: 15_000,
  renewTime: 't1',
  transitions: 3,
  resourceVersion: '7',
  ...over,
})
const seenSince = (sinceMs: number, { holder, renewTime } = view()) => ({ holder, renewTime, sinceMs })

const take = (transitions: number): LeaseAction => ({ act: 'take', resourceVersion: '7', transitions })

const TABLE: readonly [string, { isLeading?: boolean; seen?: LeaseView; sinceMs?: number; nowMs?: number }, LeaseAction][] = [
  ['nobody made it', {}, { act: 'create' }],
  ['it was deleted under a leader', { isLeading: true }, { act: 'create' }],
  ['another holds it', { seen: view(), sinceMs: 0, nowMs: 14_999 }, { act: 'wait' }],
  ['another has not renewed it for its duration', { seen: view(), sinceMs: 0, nowMs: 15_000 }, take(4)],
  ['the duration is the one the holder wrote', { seen: view({ durationMs: 60_000 }), sinceMs: 0, nowMs: 15_000 }, { act: 'wait' }],
  ['it was released', { seen: view({ holder: '' }), sinceMs: 0, nowMs: 1 }, take(4)],
  ['our write of which the answer was lost', { seen: view({ holder: 'me' }), sinceMs: 0 }, take(3)],
  ['we lead', { isLeading: true, seen: view({ holder: 'me' }), sinceMs: 0 }, { act: 'renew', resourceVersion: '7', transitions: 3 }],
  ['another took it', { isLeading: true, seen: view(), sinceMs: 0 }, { act: 'lost', holder: 'other' }],
  ['another took it and is gone by now', { isLeading: true, seen: view(), sinceMs: 0, nowMs: 99_000 }, { act: 'lost', holder: 'other' }],
  ['it was released while we led', { isLeading: true, seen: view({ holder: '' }), sinceMs: 0 }, { act: 'lost', holder: '' }],
]

for (const [name, { isLeading = false, seen, sinceMs = 0, nowMs = 0 }, wanted] of TABLE) {
  test(`lease: ${name}: ${wanted.act}`, () => {
    const observation = seen === undefined ? undefined : seenSince(sinceMs, seen)
    assert.deepEqual(decideLease({ identity: 'me', isLeading, seen, observation, nowMs }), wanted)
  })
}

test('an observation begins anew with every change, whatever the foreign time says', () => {
  const first = observe(undefined, view(), 100)
  assert.equal(observe(first, view(), 200), first)
  assert.equal(observe(first, view({ renewTime: 'long ago' }), 300).sinceMs, 300)
  assert.equal(observe(first, view({ holder: 'third' }), 300).sinceMs, 300)
})

test('bounds hold together', () => {
  checkBounds(LEASE_BOUNDS)
  assert.throws(() => checkBounds({ durationMs: 10_000, renewDeadlineMs: 10_000, retryMs: 2000 }), /deadline < duration/)
  assert.throws(() => checkBounds({ durationMs: 15_000, renewDeadlineMs: 10_000, retryMs: 6000 }), /2 × retry/)
})
