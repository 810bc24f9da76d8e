/** Free ports of this machine. */
import { createServer, type Server } from 'node:net'
import { ThermoclineError } from '@thermocline/protocol'
import type { ReplicaPlace } from './layout.ts'

/**
 * Where free ports are looked for: below those that systems hand out to outgoing connections. A node keeps its port while
 * it is down; were it one of those, a client's connection could take it, or even connect to itself over it.
 */
const FIRST_PORT = 10_000
const LAST_PORT = 32_767
const MAX_TRIES = 10_000

/** Finds `count` different free ports. Another process may take one before it is used. @throws ThermoclineError `port_in_use` */
export async function findFreePorts(count: number): Promise<number[]> {
  const found = new Map<number, Server>()
  for (let tries = 0; found.size < count; tries++) {
    if (tries === MAX_TRIES) throw new ThermoclineError('port_in_use', `up: found only ${found.size} of ${count} free ports`)
    const port = FIRST_PORT + Math.floor(Math.random() * (LAST_PORT - FIRST_PORT + 1))
    if (found.has(port)) continue
    const server = await listen(port).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EADDRINUSE' && error.code !== 'EACCES') throw error
    })
    if (server !== undefined) found.set(port, server)
  }
  await Promise.all([...found.values()].map(close))
  return [...found.keys()]
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
