import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SubmitPath } from './submit-path.ts'

test('after a hand-over that waited long threads make the writes for a while; then the loop tries again', () => {
  const path = new SubmitPath()
  path.noteHandOver(1000, 1001.9, true)
  assert.equal(path.isByThread(1001.9), false)
  path.noteHandOver(1010, 1012, true)
  assert.equal(path.isByThread(1012), true)
  assert.equal(path.isByThread(1261.9), true)
  assert.equal(path.isByThread(1262), false)
})

test('a loop that was only kept from its processor goes on making the writes', () => {
  const path = new SubmitPath()
  path.noteHandOver(1000, 1020, false)
  assert.equal(path.isByThread(1020), false)
})
