import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { ByteWriter, WIRE_VERSION } from '@thermocline/protocol'
import { Complaints } from '../../doors/complaints.ts'
import { MAX_LINKS_PER_SLOT, MAX_UNGREETED_LINKS } from '../../doors/hello-bounds.ts'
import { quietDoors } from '../../doors/quiet-doors.fixture.ts'
import { claimedReplica, writePeerHello } from '../../paxos/frames.ts'
import type { PeerLink } from '../ports.ts'
import { OsPeerNetwork } from './peer-network.ts'
import { IncomingTcp } from './tcp-server.ts'

const MIB = 1024 ** 2
const decoder = { heldBytes: 0, frames: 0 }

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
  const network = new OsPeerNetwork({ replica: 1, ...quietDoors(), claimedReplica })
  const links: PeerLink[] = []
  const reasons: string[] = []
  network.setAddresses([address, undefined])
  network.start((link) => {
    links.push(link)
    return { decoder, onData: () => {}, onClose: (reason) => reasons.push(reason) }
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

test('a dialled port that says no hello is given up, and dialled again', async (context) => {
  const { address } = await silentPeer(context)
  const { links, reasons } = dialler(context, address)
  await until(() => links.length === 2)
  assert.match(reasons[0] as string, /no hello came/)
})

test('a link that brings nothing for long after its hello is given up, and the peer is dialled again', async (context) => {
  const { address, accepted } = await silentPeer(context)
  const { links, reasons } = dialler(context, address)
  await until(() => accepted.length === 1)
  accepted[0]?.write(peerHello(0))
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

/** A replica 0 that accepts on a port, its links, and the slots that they claim. */
async function acceptor(
  context: TestContext,
  answers = false,
): Promise<{ port: number; claims: () => (number | undefined)[]; complaints: string[] }> {
  const complaints: string[] = []
  const network = new OsPeerNetwork({
    replica: 0,
    traffic: quietDoors().traffic,
    complaints: new Complaints(
      (what, { reason }) => complaints.push(`${what}: ${String(reason)}`),
      () => () => {},
    ),
    claimedReplica,
  })
  const open = new Map<PeerLink, number | undefined>()
  network.start((link) => {
    open.set(link, undefined)
    return {
      decoder,
      onData: (chunk) => {
        open.set(link, claimedReplica(chunk))
        if (answers) link.send(Uint8Array.of(0))
      },
      onClose: () => open.delete(link),
    }
  })
  const server = createServer((socket) => socket.once('data', (first) => network.accept(new IncomingTcp(socket), first)))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  context.after(() => {
    network.stop()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, claims: () => [...open.values()], complaints }
}

function dialIn(context: TestContext, port: number, bytes: Uint8Array): Socket {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  socket.resume().write(bytes)
  context.after(() => socket.destroy())
  return socket
}

function peerHello(replica: number): Uint8Array {
  const w = new ByteWriter(256)
  writePeerHello(w, {
    version: WIRE_VERSION,
    clusterId: 'ab'.repeat(16),
    isStranger: false,
    votesInAll: true,
    process: { group: 0, replica, incarnation: { number: 0, nonce: '0'.repeat(16) }, boot: 1 },
    bootNonce: '0'.repeat(16),
    logEnd: 0,
    incarnations: new Map(),
  })
  return w.copy()
}

test('strangers who drip a hello keep no peer out: the oldest gives way, and all are cut off in time', async (context) => {
  const { port, claims } = await acceptor(context)
  const strangers = Array.from({ length: 4 * MAX_UNGREETED_LINKS }, () => dialIn(context, port, peerHello(1).subarray(0, 6)))
  await until(() => strangers.filter(({ closed }) => closed).length === 3 * MAX_UNGREETED_LINKS)
  dialIn(context, port, peerHello(2))
  await until(() => claims().includes(2))
  const drip = setInterval(() => strangers.map((socket) => socket.write(Uint8Array.of(1))), 100)
  context.after(() => clearInterval(drip))
  await until(() => strangers.every(({ closed }) => closed))
  assert.deepEqual(claims(), [2])
})

test('a hello may come in pieces', async (context) => {
  const { port, claims } = await acceptor(context)
  const hello = peerHello(2)
  const socket = dialIn(context, port, hello.subarray(0, 6))
  await until(() => claims().length === 1)
  socket.write(hello.subarray(6, 30))
  socket.write(hello.subarray(30))
  await until(() => claims().includes(2))
})

test('few links claim the same slot; who is not answered yet gives way, first of the same source', async (context) => {
  const { port, claims } = await acceptor(context)
  const sockets = Array.from({ length: 20 }, () => dialIn(context, port, peerHello(1)))
  await until(() => sockets.filter(({ closed }) => closed).length === 20 - MAX_LINKS_PER_SLOT)
  const late = dialIn(context, port, peerHello(1))
  await until(() => sockets.filter(({ closed }) => closed).length === 20 - MAX_LINKS_PER_SLOT + 1)
  assert.equal(late.closed, false)
  dialIn(context, port, peerHello(2))
  await until(() => claims().includes(2))
  assert.deepEqual(
    claims().toSorted((a, b) => (a ?? 0) - (b ?? 0)),
    [...new Array<number>(MAX_LINKS_PER_SLOT).fill(1), 2],
  )
})

test('links that are answered are not pushed out', async (context) => {
  const { port, claims, complaints } = await acceptor(context, true)
  const sockets = Array.from({ length: MAX_LINKS_PER_SLOT }, () => dialIn(context, port, peerHello(1)))
  await until(() => claims().filter((claim) => claim === 1).length === MAX_LINKS_PER_SLOT)
  const late = dialIn(context, port, peerHello(1))
  await until(() => late.closed)
  assert.match(complaints[0] as string, /2 connections claim to be replica 1 already/)
  assert.equal(claims().length, MAX_LINKS_PER_SLOT)
  sockets[0]?.destroy()
  await until(() => claims().length === MAX_LINKS_PER_SLOT - 1)
  dialIn(context, port, peerHello(1))
  await until(() => claims().length === MAX_LINKS_PER_SLOT)
})
