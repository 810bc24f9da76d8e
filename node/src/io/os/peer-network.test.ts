import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import type { PeerLink } from '../ports.ts'
import { OsPeerNetwork } from './peer-network.ts'

const MIB = 1024 ** 2

/** A port that accepts and neither reads nor says anything. */
async function silentPeer(context: TestContext): Promise<{ server: Server; address: string; accepted: Socket[] }> {
  const accepted: Socket[] = []
  const server = createServer({ pauseOnConnect: true }, (socket) => accepted.push(socket.on('error', () => {})))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  context.after(() => {
    for (const socket of accepted) socket.destroy()
    server.close()
  })
  return { server, address: `127.0.0.1:${(server.address() as AddressInfo).port}`, accepted }
}

/** A replica that dials the peer, and its links so far. */
function dialler(context: TestContext, address: string): { network: OsPeerNetwork; links: PeerLink[]; reasons: string[] } {
  const network = new OsPeerNetwork(1)
  const links: PeerLink[] = []
  const reasons: string[] = []
  network.setAddresses([address, undefined])
  network.start((link) => {
    links.push(link)
    return { onData: () => {}, onClose: (reason) => reasons.push(reason) }
  })
  context.after(() => network.stop())
  return { network, links, reasons }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10))
}

test('a link that is aborted with bytes unsent is gone at once, and the peer is dialled anew', async (context) => {
  const { address, accepted } = await silentPeer(context)
  const { links, reasons } = dialler(context, address)
  await until(() => links.length === 1)
  const link = links[0] as PeerLink
  while (link.bufferedBytes < 8 * MIB) link.send(new Uint8Array(MIB))
  const beganMs = performance.now()
  link.abort()
  await until(() => links.length === 2)
  context.diagnostic(`dialled anew after ${Math.round(performance.now() - beganMs)} ms`)
  assert.equal(reasons.length, 1)
  await until(() => accepted.length === 2)
})

test('a link that brings nothing for long is given up, and the peer is dialled anew', async (context) => {
  const { address } = await silentPeer(context)
  const { links, reasons } = dialler(context, address)
  await until(() => links.length === 2)
  assert.match(reasons[0] as string, /nothing was heard/)
})

test('a dial that is under way at the stop brings no link', async (context) => {
  const { address, accepted } = await silentPeer(context)
  const { network, links } = dialler(context, address)
  network.stop()
  await until(() => accepted.length === 1)
  await once(accepted[0]?.resume() as Socket, 'close')
  assert.equal(links.length, 0)
})
