/** The real world of a client. */
import { randomBytes } from 'node:crypto'
import type { ClientWorld } from '../world.ts'
import { osClock } from './clock.ts'
import { ClientTcpStream } from './tcp-stream.ts'

export const osWorld: ClientWorld = {
  clock: osClock,
  random: Math.random,
  randomBytes: (count) => new Uint8Array(randomBytes(count)),
  openStream: (host, port, events) => new ClientTcpStream(host, port, events),
}
