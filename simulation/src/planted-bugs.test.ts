import assert from 'node:assert/strict'
import { test } from 'node:test'
import { editsOf, mutate } from './planted-bugs.ts'

test('a bug of several places is planted in each, file by file', () => {
  const also = [
    { file: 'g.ts', find: 'b', replace: '2' },
    { file: 'f.ts', find: 'a', replace: '' },
  ]
  const edits = editsOf({ name: 'm', file: 'f.ts', find: 'x', replace: 'y', also, caughtBy: [], why: '' })
  assert.deepEqual([...edits.keys()], ['f.ts', 'g.ts'])
  assert.equal(mutate('a x b', 'm', edits.get('f.ts') ?? []), ' y b')
  assert.equal(mutate('a x b', 'm', edits.get('g.ts') ?? []), 'a x 2')
})

test('what takes the place of a text is not a pattern', () => {
  assert.equal(mutate('a x b', 'm', [{ file: 'f.ts', find: 'x', replace: '$& $1' }]), 'a $& $1 b')
})

test('a bug whose text is gone, or stands twice, is an error that says where', () => {
  const edits = [{ file: 'f.ts', find: 'x', replace: 'y' }]
  assert.throws(() => mutate('a b', 'm', edits), /mutant m: its text stands 0 times in f\.ts/)
  assert.throws(() => mutate('x x', 'm', edits), /stands 2 times/)
})
