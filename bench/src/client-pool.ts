/** Objects of our client library, for a loader that wants a number of connections. */
import { type Client, connect } from '@thermocline/client'

const AT_ONCE = 100

/** Does something with each client, with not too many at a time. */
export async function inGroups(pool: readonly Client[], act: (client: Client) => Promise<unknown>): Promise<void> {
  for (let first = 0; first < pool.length; first += AT_ONCE) await Promise.all(pool.slice(first, first + AT_ONCE).map(act))
}

/** About that many connections: a client object has one to each replica. */
export async function connectPool(endpoints: readonly string[], connections: number): Promise<Client[]> {
  const pool: Client[] = []
  const wanted = Math.max(1, Math.round(connections / endpoints.length))
  while (pool.length < wanted) {
    const some = Array.from({ length: Math.min(AT_ONCE, wanted - pool.length) }, () => connect({ endpoints }))
    pool.push(...(await Promise.all(some)))
  }
  return pool
}
