import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { JsonLines } from './json-lines.ts'

test('values come whole, wherever the chunks end', () => {
  const values = fc.array(fc.record({ text: fc.string({ unit: 'grapheme', maxLength: 30 }), n: fc.integer() }, { noNullPrototype: true }), {
    maxLength: 10,
  })
  fc.assert(
    fc.property(values, fc.integer({ min: 1, max: 7 }), (objects, step) => {
      const bytes = new TextEncoder().encode(objects.map((object) => `${JSON.stringify(object)}\n`).join(''))
      const lines = new JsonLines(1e6)
      const got: unknown[] = []
      for (let at = 0; at < bytes.length; at += step) got.push(...lines.push(bytes.subarray(at, at + step)))
      assert.deepEqual(got, objects)
    }),
  )
})

test('empty lines are nothing, endless ones an error', () => {
  const lines = new JsonLines(10)
  assert.deepEqual(lines.push(new TextEncoder().encode('\n1\r\n\n2\n')), [1, 2])
  assert.throws(() => lines.push(new TextEncoder().encode('"12345678901234')), /over 10 characters/)
})
