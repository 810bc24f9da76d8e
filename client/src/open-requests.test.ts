import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Call } from './call.ts'
import { OpenRequests } from './open-requests.ts'

const call = (name: string): Call => ({ name }) as unknown as Call

test('whatever comes back in whatever order, a number is that of its call, and no two open ones are alike', () => {
  // Each step opens so many requests, then answers the one that stands there among the open ones.
  const steps = fc.array(fc.record({ opened: fc.nat(40), answered: fc.nat() }), { maxLength: 200 })
  fc.assert(
    fc.property(steps, (all) => {
      const requests = new OpenRequests()
      const open = new Map<number, Call>()
      for (const { opened, answered } of all) {
        for (let at = 0; at < opened; at++) {
          const one = call('a call')
          const correlation = requests.add(one)
          assert.ok(!open.has(correlation))
          open.set(correlation, one)
        }
        const [correlation = 0, one] = [...open][answered % Math.max(1, open.size)] ?? []
        assert.equal(requests.take(correlation), one)
        assert.equal(requests.take(correlation), undefined)
        open.delete(correlation)
        assert.equal(requests.size, open.size)
      }
      assert.deepEqual(new Set(requests.takeAll()), new Set(open.values()))
      assert.equal(requests.size, 0)
    }),
  )
})

test('a request that waits long makes no room for those that pass', () => {
  const requests = new OpenRequests()
  const slow = call('slow')
  const number = requests.add(slow)
  for (let at = 0; at < 100_000; at++) {
    const one = call('fast')
    assert.equal(requests.take(requests.add(one)), one)
  }
  assert.equal((requests as unknown as { calls: unknown[] }).calls.length, 64)
  assert.equal(requests.take(number), slow)
})

test('numbers go round at 2³²', () => {
  const requests = new OpenRequests()
  ;(requests as unknown as { last: number }).last = 2 ** 32 - 2
  assert.deepEqual([requests.add(call('a')), requests.add(call('b'))], [2 ** 32 - 1, 0])
})
