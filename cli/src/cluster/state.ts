/**
 * What a local cluster remembers in its data directory: `cluster.json` (id, shape, addresses, and the topology once it is
 * written) and `token` (0600), which admin writes need. Both are written whole, synced, and only then relied upon.
 */
import { randomBytes } from 'node:crypto'
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { parseTopology, ThermoclineError, type Topology } from '@thermocline/protocol'
import type { ReplicaPlace } from './layout.ts'

const FORMAT_VERSION = 1

export interface ClusterState {
  readonly formatVersion: typeof FORMAT_VERSION
  readonly clusterId: string
  readonly groups: number
  readonly replicas: number
  readonly places: readonly ReplicaPlace[]
  /** Of memory nodes; none in a folder of an older version. */
  readonly memoryPlaces?: readonly ReplicaPlace[]
  readonly topology: Topology | null
}

export function newState(shape: { groups: number; replicas: number }, places: readonly ReplicaPlace[]): ClusterState {
  return { formatVersion: FORMAT_VERSION, clusterId: randomBytes(16).toString('hex'), ...shape, places, topology: null }
}

/** @throws ThermoclineError `unsupported_version`, `corrupt` */
export function readState(folder: string): ClusterState | undefined {
  const path = join(folder, 'cluster.json')
  if (!existsSync(path)) return undefined
  let state: ClusterState
  try {
    state = JSON.parse(readFileSync(path, 'utf8')) as ClusterState
  } catch (cause) {
    throw new ThermoclineError('corrupt', `up: ${path} is not JSON`, { cause })
  }
  if (state.formatVersion !== FORMAT_VERSION) {
    throw new ThermoclineError(
      'unsupported_version',
      `up: ${path} has format ${String(state.formatVersion)}; this version knows ${FORMAT_VERSION}`,
    )
  }
  return state.topology === null ? state : { ...state, topology: parseTopology(state.topology) }
}

export function writeState(folder: string, state: ClusterState): void {
  writeDurably(join(folder, 'cluster.json'), `${JSON.stringify(state, undefined, 2)}\n`)
}

/** The admin token of the cluster, made on first use, and where it stands. */
export function adminToken(folder: string): { token: string; path: string } {
  const path = join(folder, 'token')
  if (!existsSync(path)) writeDurably(path, `${randomBytes(32).toString('hex')}\n`)
  return { token: readFileSync(path, 'utf8').trim(), path }
}

function writeDurably(path: string, content: string): void {
  const temporary = `${path}.new`
  const file = openSync(temporary, 'w', 0o600)
  writeSync(file, content)
  fsyncSync(file)
  closeSync(file)
  renameSync(temporary, path)
}
