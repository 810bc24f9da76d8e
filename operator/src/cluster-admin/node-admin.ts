/** The nodes' admin API, as far as the operator uses it. A node that does not answer in time has said nothing. */
import { parseTopology, type Topology } from '@thermocline/protocol'
import { z } from 'zod'
import type { MemoryFacts } from '../plan/memory-observed.ts'
import type { NodeFacts } from '../plan/observed.ts'

const REQUEST_TIMEOUT_MS = 2000
const MAX_ANSWER_BYTES = 4 * 1024 * 1024

const factsSchema = z.object({
  version: z.string(),
  state: z.enum(['starting', 'joining', 'learning', 'serving', 'stopping', 'failed', 'foreign']),
  reason: z.string().optional(),
  clusterId: z.string(),
  group: z.number().int(),
  replica: z.number().int(),
  owner: z.object({ clusterId: z.string(), group: z.number().int(), replica: z.number().int() }).optional(),
  incarnation: z.object({ number: z.number().int(), nonce: z.string() }),
  standing: z.enum(['fresh', 'voter', 'learner']),
  mode: z.enum(['Voter', 'LearnerOnly', 'Unknown']),
  epoch: z.number().int(),
  chosenTotal: z.number(),
  learner: z.object({ blocks: z.number(), voting: z.number(), stuck: z.number(), etaMs: z.number().optional() }).optional(),
  writes: z.object({ state: z.enum(['accepted', 'disk_full', 'overloaded']) }),
})

const memoryFactsSchema = z.object({
  version: z.string(),
  state: z.string(),
  clusterId: z.string(),
  group: z.number().int(),
  machine: z.number().int(),
})

/** What the operator asks of nodes; the simulator has its own. `address` is host:port of the HTTP port. */
export interface NodeAdmin {
  /** Undefined: no answer, or none that can be understood. */
  facts(address: string): Promise<NodeFacts | undefined>
  topology(address: string): Promise<Topology | undefined>
  /** Of a memory node. */
  memoryFacts(address: string): Promise<MemoryFacts | undefined>
  /** @throws Error with the node's own words. */
  putTopology(address: string, topology: Topology, token: string): Promise<void>
  /** Moves what is on a foreign volume aside. @throws Error with the node's own words. */
  setVolumeAside(address: string, token: string): Promise<void>
}

export class HttpNodeAdmin implements NodeAdmin {
  async facts(address: string): Promise<NodeFacts | undefined> {
    const parsed = factsSchema.safeParse(await ask(address, '/v1/admin/status').catch(() => undefined))
    return parsed.success ? parsed.data : undefined
  }

  async memoryFacts(address: string): Promise<MemoryFacts | undefined> {
    const parsed = memoryFactsSchema.safeParse(await ask(address, '/v1/admin/status').catch(() => undefined))
    return parsed.success ? parsed.data : undefined
  }

  async topology(address: string): Promise<Topology | undefined> {
    try {
      return parseTopology(await ask(address, '/v1/admin/topology'))
    } catch {
      return undefined
    }
  }

  async putTopology(address: string, topology: Topology, token: string): Promise<void> {
    await ask(address, '/v1/admin/topology', {
      method: 'PUT',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(topology),
    })
  }

  async setVolumeAside(address: string, token: string): Promise<void> {
    await ask(address, '/v1/admin/volume/set-aside', { method: 'POST', headers: { authorization: `Bearer ${token}` } })
  }
}

async function ask(address: string, path: string, init: RequestInit = {}): Promise<unknown> {
  const response = await fetch(`http://${address}${path}`, { ...init, signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS) })
  if (Number(response.headers.get('content-length') ?? 0) > MAX_ANSWER_BYTES) throw new Error(`${address}${path}: the answer is too large`)
  const body: unknown = await response.json()
  if (response.ok) return body
  const { code, message } = (body ?? {}) as { code?: string; message?: string }
  throw new Error(`${address}${path}: ${code ?? response.status}: ${message ?? 'no message'}`)
}
