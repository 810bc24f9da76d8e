import assert from 'node:assert/strict'
import { test } from 'node:test'
import { placeByBase, placeOn } from './layout.ts'

test('replica r of group g takes base + 10·(g·replicas + r), its HTTP port is the next', () => {
  const places = placeByBase({ groups: 2, replicas: 3 }, 7400)
  assert.deepEqual(places[4], { group: 1, replica: 1, name: 'g1-r1', data: '127.0.0.1:7440', http: '127.0.0.1:7441' })
  assert.equal(new Set(places.flatMap(({ data, http }) => [data, http])).size, 12)
  assert.deepEqual(placeOn({ groups: 1, replicas: 1 }, [5, 9]), [
    { group: 0, replica: 0, name: 'g0-r0', data: '127.0.0.1:5', http: '127.0.0.1:9' },
  ])
})

test('shapes and ports out of range are refused by name', () => {
  assert.throws(() => placeByBase({ groups: 1, replicas: 2 }, 7400), { code: 'invalid_argument', message: /^--replicas: 2/ })
  assert.throws(() => placeByBase({ groups: 0, replicas: 3 }, 7400), { code: 'invalid_argument', message: /^--groups: 0/ })
  assert.throws(() => placeByBase({ groups: 1000, replicas: 5 }, 60_000), { code: 'invalid_argument', message: /^--port: 60000/ })
})
