import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { VALUE_BYTES } from '../../workloads.ts'
import { openMemcached } from './memcached.ts'
import { openRedis } from './redis.ts'
import { nameOf } from './requests.ts'
import type { Store } from './store.ts'

const pageValue = (page: number): Uint8Array => Buffer.alloc(VALUE_BYTES, String(page % 10))
const text = (page: number): string => Buffer.from(pageValue(page)).toString()

/** Runs calls against a server that answers each chunk as told; says which chunks it got. */
async function against(
  open: (endpoint: string) => Promise<Store>,
  answers: readonly string[],
  calls: (store: Store) => Promise<void>,
): Promise<string[]> {
  const got: string[] = []
  const sockets: Socket[] = []
  const server = createServer((socket) => {
    sockets.push(socket)
    socket.on('data', (chunk: Buffer) => {
      const answer = answers[got.push(chunk.toString('latin1')) - 1]
      if (answer === undefined) socket.destroy()
      else socket.write(answer)
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const store = await open(`127.0.0.1:${(server.address() as { port: number }).port}`)
  try {
    await calls(store)
  } finally {
    store.close()
    for (const socket of sockets) socket.destroy()
    server.close()
  }
  return got
}

const redis = (replicas: number) => (endpoint: string) => openRedis({ endpoint, connections: 1, replicas, pageValue })
const memcached = (endpoint: string) => openMemcached({ endpoint, connections: 1, pageValue })
const bulk = (value: string): string => `$${value.length}\r\n${value}\r\n`

test('Redis: calls of one turn share a write to the socket, and get their replies in order', async () => {
  const got = await against(redis(0), [`${bulk(text(1))}*2\r\n${bulk(text(2))}${bulk(text(3))}+OK\r\n`], async (store) => {
    await Promise.all([store.read(0, [1]), store.read(1, [2, 3]), store.write(2, [4])])
  })
  assert.deepEqual(got, [
    `*2\r\n${bulk('GET')}${bulk(nameOf(1))}*3\r\n${bulk('MGET')}${bulk(nameOf(2))}${bulk(nameOf(3))}*3\r\n${bulk('SET')}${bulk(nameOf(4))}${bulk(text(4))}`,
  ])
})

test('Redis: a write counts when the replicas have it', async () => {
  const got = await against(redis(1), ['+OK\r\n:1\r\n', '+OK\r\n:0\r\n'], async (store) => {
    await store.write(0, [1, 2])
    await assert.rejects(store.write(0, [3]), /0 replicas have the write/)
  })
  const wait = `*3\r\n${bulk('WAIT')}${bulk('1')}${bulk('5000')}`
  assert.equal(got[0], `*5\r\n${bulk('MSET')}${bulk(nameOf(1))}${bulk(text(1))}${bulk(nameOf(2))}${bulk(text(2))}${wait}`)
})

test('memcached: a batch is one get, or sets that go out together', async () => {
  const found = [1, 2].map((page) => `VALUE ${nameOf(page)} 0 ${VALUE_BYTES}\r\n${text(page)}\r\n`).join('')
  const got = await against(memcached, [`${found}END\r\n`, 'STORED\r\nSTORED\r\n'], async (store) => {
    await store.read(0, [1, 2])
    await store.write(0, [1, 2])
  })
  assert.deepEqual(got, [
    `get ${nameOf(1)} ${nameOf(2)}\r\n`,
    [1, 2].map((page) => `set ${nameOf(page)} 0 0 ${VALUE_BYTES}\r\n${text(page)}\r\n`).join(''),
  ])
})

test('a missing value, an error and a lost connection fail the call', async () => {
  await against(redis(0), ['$-1\r\n', '-LOADING wait\r\n'], async (store) => {
    await assert.rejects(store.read(0, [1]), /got 0 values of 0 bytes in all; wanted 1 of 200 each/)
    await assert.rejects(store.read(0, [1]), /LOADING wait/)
    await assert.rejects(Promise.all([store.read(0, [1]), store.read(0, [2])]), /closed the connection/)
    await assert.rejects(store.read(0, [1]), /closed the connection/)
  })
  await against(memcached, ['END\r\n', 'VALUE bench-0000000001 0 3\r\nabc\r\nEND\r\n'], async (store) => {
    await assert.rejects(store.read(0, [1]), /wanted 1/)
    await assert.rejects(store.read(0, [1]), /got 1 values of 3 bytes/)
  })
})
