import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseTopology } from '@thermocline/protocol'
import { osClock } from '../../io/os/clock.ts'
import { TOPOLOGY_FILE, TopologyStore } from './topology-store.ts'

const CLUSTER_ID = 'ab'.repeat(16)
const replica = { replica: 0, data: '127.0.0.1:7000', http: '127.0.0.1:7001', incarnation: { number: 0, nonce: '0123456789abcdef' } }
const topology = parseTopology({ formatVersion: 1, clusterId: CLUSTER_ID, epoch: 3, groups: [{ group: 0, replicas: [replica] }] })

test('a damaged topology is reported and counts as none: it can be written again', async () => {
  const content = new Map<string, Uint8Array>()
  const files = {
    read: async (name: string) => content.get(name),
    replace: async (name: string, bytes: Uint8Array) => {
      content.set(name, bytes)
    },
  }
  const warnings: string[] = []
  const load = async (): Promise<TopologyStore> => {
    const store = new TopologyStore(files, osClock, CLUSTER_ID, (what) => warnings.push(what))
    await store.load()
    return store
  }
  await (await load()).install(topology)
  const whole = content.get(TOPOLOGY_FILE) as Uint8Array
  assert.deepEqual((await load()).current, topology)
  assert.deepEqual(warnings, [])
  for (let at = 0; at < whole.length - 1; at++) {
    const damaged = Uint8Array.from(whole)
    damaged[at] = (damaged[at] as number) ^ (1 << (at % 7))
    content.set(TOPOLOGY_FILE, damaged)
    assert.equal((await load()).current, undefined, `byte ${at}`)
  }
  assert.equal(warnings.length, whole.length - 1)
  content.set(TOPOLOGY_FILE, whole.subarray(0, whole.length / 2))
  const store = await load()
  assert.equal(store.epoch, 0)
  assert.equal(await store.install(topology), true)
  assert.deepEqual((await load()).current, topology)
})
