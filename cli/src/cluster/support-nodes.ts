/** The nodes of a cluster that may be in any state: what cannot be found out is told, and is no failure. */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from '@thermocline/client'
import { ThermoclineError, type Topology } from '@thermocline/protocol'
import { nodeTopology } from './node-api.ts'
import { readState } from './state.ts'

const CONNECT_TIMEOUT_MS = 3000
const ENDPOINT = /^(\[[0-9a-f:]+\]|[^\s:=]+):\d{1,5}$/i

export interface FoundNodes {
  /** `http` is host:port. */
  readonly nodes: readonly { readonly name: string; readonly http: string }[]
  readonly misses: readonly { readonly what: string; readonly reason: string }[]
}

/** @throws ThermoclineError `invalid_argument` if it is not a folder of `thermocline up`. */
export function nodesOfFolder(folder: string): FoundNodes {
  const found = statSync(folder, { throwIfNoEntry: false })
  if (found?.isDirectory() !== true) {
    const what = found === undefined ? 'there is no such folder' : 'is not a folder'
    throw new ThermoclineError('invalid_argument', `--cluster: ${folder}: ${what}; expected the --data folder of \`thermocline up\``)
  }
  try {
    const state = readState(folder)
    if (state !== undefined) return { nodes: state.places.map(({ name, http }) => ({ name, http })), misses: [] }
  } catch (error) {
    return { nodes: [], misses: [{ what: 'nodes', reason: messageOf(error) }] }
  }
  throw new ThermoclineError(
    'invalid_argument',
    `--cluster: ${folder}: there is no ${join(folder, 'cluster.json')}; expected the --data folder of \`thermocline up\``,
  )
}

/**
 * All replicas that the topology names; it is asked for at data ports as clients do, then at HTTP ports, which answer in more
 * states. Without any topology the endpoints themselves are taken for HTTP ports.
 * @throws ThermoclineError `invalid_argument`
 */
export async function nodesOfEndpoints(text: string): Promise<FoundNodes> {
  const endpoints = text
    .split(',')
    .map((endpoint) => endpoint.trim())
    .filter((endpoint) => endpoint !== '')
  const wrong = endpoints.find((endpoint) => !ENDPOINT.test(endpoint))
  if (wrong !== undefined || endpoints.length === 0) {
    throw new ThermoclineError(
      'invalid_argument',
      `--endpoints: ${JSON.stringify(wrong ?? text)}: expected host:port, with commas between several`,
    )
  }
  let reason: string
  try {
    return { nodes: replicasOf(await topologyAtDataPorts(endpoints)), misses: [] }
  } catch (error) {
    reason = messageOf(error)
  }
  const answers = await Promise.allSettled(endpoints.map(nodeTopology))
  const topology = answers.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : [])).sort((a, b) => b.epoch - a.epoch)[0]
  if (topology !== undefined) return { nodes: replicasOf(topology), misses: [] }
  return { nodes: endpoints.map((http) => ({ name: http, http })), misses: [{ what: 'topology', reason }] }
}

async function topologyAtDataPorts(endpoints: readonly string[]): Promise<Topology> {
  const client = await connect({ endpoints, connectTimeoutMs: CONNECT_TIMEOUT_MS, name: 'thermocline-cli' })
  try {
    return client.topology()
  } finally {
    client.close()
  }
}

const replicasOf = ({ groups }: Topology) =>
  groups.flatMap(({ group, replicas }) => replicas.map(({ replica, http }) => ({ name: `g${group}-r${replica}`, http })))

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
