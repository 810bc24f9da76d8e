/** What `up` and `status` ask of a node over HTTP. */
import { ERRORS, type ErrorCode, type Incarnation, parseTopology, ThermoclineError, type Topology } from '@thermocline/protocol'

const REQUEST_TIMEOUT_MS = 3000

/** The part of `/v1/admin/status` that is used here. */
export interface NodeFacts {
  readonly state: string
  readonly reason?: string
  readonly clusterId?: string
  readonly group: number
  readonly replica: number
  readonly incarnation: Incarnation
  readonly boot: number
  readonly mode: string
  readonly epoch: number
  readonly uptimeMs: number
  readonly version: string
  readonly blocks: { readonly known: number; readonly open: number; readonly behind: number }
  readonly chosenTotal: number
  readonly peers: readonly { readonly replica: number; readonly live: boolean; readonly reason?: string }[]
  readonly writes: { readonly state: string }
  readonly memory: { readonly limitBytes: number; readonly rssBytes: number }
}

/** @throws ThermoclineError with the code of the node's answer, or `unavailable`. */
async function ask(http: string, path: string, init: RequestInit = {}): Promise<unknown> {
  let response: Response
  try {
    response = await fetch(`http://${http}${path}`, { ...init, signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS) })
  } catch (cause) {
    const reason = cause instanceof Error ? ((cause.cause as Error | undefined)?.message ?? cause.message) : String(cause)
    throw new ThermoclineError('unavailable', `http://${http}${path}: ${reason}`, { cause, outcome: 'maybe' })
  }
  const body: unknown = await response.json().catch(() => undefined)
  if (response.ok) return body
  const { code, message } = (body ?? {}) as { code?: string; message?: string }
  const known = code !== undefined && code in ERRORS ? (code as ErrorCode) : 'internal'
  throw new ThermoclineError(known, `http://${http}${path}: ${message ?? `status ${response.status}`}`)
}

export async function nodeStatus(http: string): Promise<NodeFacts> {
  return (await ask(http, '/v1/admin/status')) as NodeFacts
}

export async function nodeTopology(http: string): Promise<Topology> {
  return parseTopology(await ask(http, '/v1/admin/topology'))
}

export async function putTopology(http: string, topology: Topology, token: string): Promise<void> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  await ask(http, '/v1/admin/topology', { method: 'PUT', body: JSON.stringify(topology), headers })
}
