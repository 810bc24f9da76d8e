import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseMemoryOptions } from './options.ts'
import { chooseMemoryWorkloads, MEMORY_WORKLOADS } from './workloads.ts'

const parse = (...args: string[]) => parseMemoryOptions(args, { out: 'out.json', folder: 'data' })

test('all peers and a million pages, less with --quick', () => {
  const { pages, peers, rounds, seconds } = parse()
  assert.deepEqual(
    { pages, peers, rounds, seconds },
    { pages: 1_000_000, peers: ['etcd', 'redis', 'redis-durable', 'memcached'], rounds: 3, seconds: 4 },
  )
  const quick = parse('--quick')
  assert.deepEqual([quick.pages, quick.rounds, quick.seconds], [20_000, 1, 1])
  assert.equal(parse('--quick', '--pages', '5000').pages, 5000)
})

test('peers are known ones, in their order', () => {
  assert.deepEqual(parse('--peers', 'memcached,etcd').peers, ['etcd', 'memcached'])
  assert.throws(() => parse('--peers', 'redis,valkey'), /--peers: valkey is none of etcd, redis/)
  assert.throws(() => parse('--pages', '10'), /--pages: 10 is below 1000/)
})

test('every shape with every number of clients, named apart', () => {
  assert.equal(MEMORY_WORKLOADS.length, 12)
  assert.equal(new Set(MEMORY_WORKLOADS.map(({ name }) => name)).size, 12)
  assert.deepEqual(
    chooseMemoryWorkloads(/^get, batches/).map(({ name }) => name),
    ['get, batches of 32, 1 client', 'get, batches of 32, 128 clients', 'get, batches of 32, 512 clients'],
  )
  assert.throws(() => chooseMemoryWorkloads(/scan/), /--only scan: matches no workload/)
})

test('of a mix one call in 101 writes, so that 100 read', () => {
  const shares = new Set(MEMORY_WORKLOADS.map(({ writeShare }) => writeShare))
  assert.deepEqual([...shares], [0, 1 / 101])
})
