import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from './random.ts'

test('a seed draws the same numbers on every machine: runs are repeated by it', () => {
  const { next } = new Random(1)
  assert.deepEqual([next(), next(), next()], [0.18967728852294385, 0.31778763560578227, 0.7830808095168322])
  assert.notEqual(new Random(2).next(), new Random(1).next())
})

test('numbers lie where they are asked for, and everywhere there', () => {
  const random = new Random(7)
  const drawn = Array.from({ length: 4000 }, () => random.below(4))
  for (const one of [0, 1, 2, 3]) assert.ok(Math.abs(drawn.filter((value) => value === one).length - 1000) < 150, `${one}`)
  const between = Array.from({ length: 1000 }, () => random.between(-2, 3))
  assert.ok(between.every((value) => value >= -2 && value < 3))
  assert.ok(Math.min(...between) < -1.9 && Math.max(...between) > 2.9)
  assert.ok(Array.from({ length: 1000 }, () => random.chance(0)).every((value) => !value))
  assert.ok(Array.from({ length: 1000 }, () => random.chance(1)).every((value) => value))
  assert.match(random.hex(8), /^[0-9a-f]{16}$/)
  assert.deepEqual(new Set(Array.from({ length: 100 }, () => random.pick(['a', 'b']))), new Set(['a', 'b']))
})
