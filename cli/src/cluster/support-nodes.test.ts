import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { placeByBase } from './layout.ts'
import { newState, writeState } from './state.ts'
import { nodesOfEndpoints, nodesOfFolder } from './support-nodes.ts'

const SHAPE = { groups: 1, replicas: 3 }
const PLACES = placeByBase(SHAPE, 7400)

function makeFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'support-nodes-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

test('a folder names its nodes; a damaged one is no reason to collect nothing', (t) => {
  const folder = makeFolder(t)
  assert.throws(() => nodesOfFolder(folder), {
    code: 'invalid_argument',
    message: /^--cluster: .*there is no .*cluster\.json; expected the --data folder/,
  })
  assert.throws(() => nodesOfFolder(join(folder, 'x')), { code: 'invalid_argument', message: /^--cluster: .*there is no such folder/ })
  writeState(folder, newState(SHAPE, PLACES))
  assert.deepEqual(
    nodesOfFolder(folder).nodes.map(({ name, http }) => `${name} ${http}`),
    ['g0-r0 127.0.0.1:7401', 'g0-r1 127.0.0.1:7411', 'g0-r2 127.0.0.1:7421'],
  )
  assert.throws(() => nodesOfFolder(join(folder, 'cluster.json')), { code: 'invalid_argument', message: /is not a folder/ })
  writeFileSync(join(folder, 'cluster.json'), 'half')
  const { nodes, misses } = nodesOfFolder(folder)
  assert.deepEqual([nodes, misses.length, /is not JSON/.test(misses[0]?.reason ?? '')], [[], 1, true])
})

test('endpoints that are HTTP ports lead to all replicas; those that say nothing are taken for nodes', async (t) => {
  const topology = {
    formatVersion: 1,
    clusterId: 'a'.repeat(32),
    epoch: 1,
    groups: [
      {
        group: 0,
        replicas: PLACES.map(({ replica, data, http }) => ({ replica, data, http, incarnation: { number: 0, nonce: 'b'.repeat(16) } })),
      },
    ],
  }
  const server = createServer((_request, response) => response.end(JSON.stringify(topology)))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const endpoint = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const found = await nodesOfEndpoints(`127.0.0.1:1, ${endpoint}`)
  assert.deepEqual([found.nodes.map(({ name }) => name), found.misses], [['g0-r0', 'g0-r1', 'g0-r2'], []])
  const none = await nodesOfEndpoints('127.0.0.1:1')
  assert.deepEqual([none.nodes, none.misses.map(({ what }) => what)], [[{ name: '127.0.0.1:1', http: '127.0.0.1:1' }], ['topology']])
  await assert.rejects(nodesOfEndpoints('a:1,nowhere'), {
    code: 'invalid_argument',
    message: /^--endpoints: "nowhere": expected host:port/,
  })
  await assert.rejects(nodesOfEndpoints(','), { code: 'invalid_argument' })
})
