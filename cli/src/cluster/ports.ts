/** Free ports of this machine. */
import { createServer, type Server } from 'node:net'
import { ThermoclineError } from '@thermocline/protocol'
import type { ReplicaPlace } from './layout.ts'

/** Finds `count` different free ports. Another process may take one before it is used. */
export async function findFreePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(Array.from({ length: count }, () => listen(0)))
  const ports = servers.map((server) => (server.address() as { port: number }).port)
  await Promise.all(servers.map(close))
  return ports
}

/** @throws ThermoclineError `port_in_use`, naming the first port that is taken and whose it would be. */
export async function checkPortsFree(places: readonly ReplicaPlace[]): Promise<void> {
  for (const place of places) {
    for (const [kind, address] of [
      ['data', place.data],
      ['HTTP', place.http],
    ] as const) {
      try {
        await close(await listen(Number(address.slice(address.lastIndexOf(':') + 1))))
      } catch (cause) {
        throw new ThermoclineError(
          'port_in_use',
          `up: ${address}, the ${kind} port of ${place.name}, is taken by another process (another local cluster?); --port 0 finds free ones`,
          { cause },
        )
      }
    }
  }
}

function listen(port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => resolve(server))
  })
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
  })
}
