/** A peer that answers without end, or sends its asker in circles, is left. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, test } from 'node:test'
import { osClock } from '../../io/os/clock.ts'
import { fetchHotPagesBy, NotNow } from './hot-pages.ts'

const servers: Server[] = []
after(() => {
  for (const server of servers) {
    server.close()
    server.closeAllConnections()
  }
})

async function peer(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  servers.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

const fetchFrom = (http: string, position: number) =>
  fetchHotPagesBy(osClock)(http, { owner: 'o', asker: 'a', groups: 1, group: 0, ring: 0, position }, new AbortController().signal)

function piece(position: bigint, bytes: number): Uint8Array {
  const body = new Uint8Array(8 + bytes)
  new DataView(body.buffer).setBigUint64(0, position, true)
  return body
}

test('a piece has a length and goes on behind the one before', async () => {
  const http = await peer((_request, response) => response.end(piece(50n, 100)))
  assert.deepEqual(await fetchFrom(http, 49), { position: 50, pages: new Uint8Array(100) })
  await assert.rejects(fetchFrom(http, 50), /goes on at 50; expected 0 or more than 50/)
  const last = await peer((_request, response) => response.end(piece(0n, 0)))
  assert.equal((await fetchFrom(last, 50)).position, 0)
})

test('a peer that sends without end is cut off, whatever it says it is', async () => {
  for (const status of [200, 404, 503]) {
    let isCut = false
    const http = await peer((_request, response) => {
      response.writeHead(status)
      const send = (): void => {
        while (!isCut && response.write(new Uint8Array(65_536)));
      }
      response.on('drain', send)
      response.on('close', () => {
        isCut = true
      })
      send()
    })
    await assert.rejects(fetchFrom(http, 0), /an answer of more than \d+ bytes/)
  }
})

test('a peer that is starting is asked again later', async () => {
  const http = await peer((_request, response) => response.writeHead(503).end('the memory node is starting'))
  await assert.rejects(fetchFrom(http, 0), (error) => error instanceof NotNow && /is starting/.test(error.message))
})
