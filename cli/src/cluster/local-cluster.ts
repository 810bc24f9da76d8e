/**
 * A whole cluster on this machine: one process per replica, and this process as its operator. It alone writes the
 * topology: epoch 1, once every fresh node has told the incarnation of its volume. The document is durable here before any
 * node gets it, so that a second attempt writes the same one.
 */
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import {
  canonicalTopology,
  DEFAULT_SLICE_DURATION_MS,
  ERRORS,
  type ErrorCode,
  parseTopology,
  ThermoclineError,
  type Topology,
} from '@thermocline/protocol'
import {
  type ClusterShape,
  checkShape,
  PORT_STEP,
  placeByBase,
  placeMemoryByBase,
  placeMemoryOn,
  placeOn,
  type ReplicaPlace,
} from './layout.ts'
import type { DataLock } from './lock.ts'
import { type NodeFacts, nodeStatus, nodeTopology, putTopology } from './node-api.ts'
import { type NodeEvents, NodeProcess } from './node-process.ts'
import { checkPortsFree, findFreePorts } from './ports.ts'
import { nodeCommand } from './program.ts'
import { adminToken, type ClusterState, newState, readState, writeState } from './state.ts'

const START_TIMEOUT_MS = 300_000
const POLL_MS = 50
/** A node drains and flushes within 10 s; then it is killed. */
const STOP_GRACE_MS = 12_000
/** Of a memory node on a laptop. */
const DEFAULT_CACHE = '256MiB'

export interface LocalClusterOptions {
  readonly folder: string
  /** Undefined takes what the folder has, or the default. */
  readonly replicas: number | undefined
  readonly groups: number | undefined
  /** Base of the data ports, 0 for free ones. */
  readonly port: number | undefined
  /** Per node, as the node's --memory takes it. */
  readonly nodeMemory: string | undefined
  /** Memory nodes for each group; undefined keeps what the folder has. */
  readonly memory: number | undefined
  /** Of each memory node, as the node's --cache takes it. */
  readonly cache: string | undefined
  /** As the nodes' --allow-host takes it. */
  readonly allowHost: string | undefined
  readonly sliceDurationMs: number | undefined
  readonly restarts: boolean
}

export const DEFAULT_SHAPE = { replicas: 3, groups: 1, port: 7400 }

export class LocalCluster {
  readonly folder: string
  readonly nodes: NodeProcess[]
  readonly memoryNodes: NodeProcess[]
  state: ClusterState
  private readonly lock: DataLock
  private readonly token: string
  private readonly sliceDurationMs: number | undefined
  /** Set once the cluster serves. */
  private warn: ((message: string) => void) | undefined

  private constructor(options: LocalClusterOptions, lock: DataLock, state: ClusterState, events: NodeEvents) {
    this.folder = options.folder
    this.lock = lock
    this.state = state
    this.sliceDurationMs = options.sliceDurationMs
    const { token, path } = adminToken(options.folder)
    this.token = token
    this.nodes = state.places.map((place) => {
      const command = [...nodeCommand(), ...nodeFlags(options, state, place, path)]
      const noted: NodeEvents = {
        onStarted: (node, pid) => {
          this.noteNodes()
          events.onStarted(node, pid)
          if (this.warn !== undefined) void this.handTopology(node)
        },
        onExited: (node, how, restartInMs) => events.onExited(node, how, restartInMs),
      }
      return new NodeProcess(place, command, join(options.folder, `${place.name}.log`), options.restarts, noted)
    })
    const noted: NodeEvents = {
      onStarted: (node, pid) => {
        this.noteNodes()
        events.onStarted(node, pid)
      },
      onExited: (node, how, restartInMs) => events.onExited(node, how, restartInMs),
    }
    this.memoryNodes = (state.memoryPlaces ?? []).map((place) => {
      const command = [...nodeCommand(), ...memoryFlags(options, state, place)]
      return new NodeProcess(place, command, join(options.folder, `${place.name}.log`), options.restarts, noted)
    })
  }

  /** Reads or makes the state of the folder; starts nothing yet. @throws ThermoclineError */
  static async open(options: LocalClusterOptions, lock: DataLock, events: NodeEvents): Promise<LocalCluster> {
    const known = readState(options.folder)
    if (known !== undefined) checkAgrees(options, known)
    const state = await withMemory(options, known ?? (await makeState(options)))
    await checkPortsFree([...state.places, ...(state.memoryPlaces ?? [])])
    if (state !== known) writeState(options.folder, state)
    return new LocalCluster(options, lock, state, events)
  }

  /**
   * Starts all nodes and resolves when they serve. A node whose volume is not the one that the topology names learns from
   * the others first; they serve meanwhile, and `warn` is told. @throws ThermoclineError
   */
  async start(warn: (message: string) => void): Promise<void> {
    for (const node of this.nodes) node.start()
    const facts = await Promise.all(this.nodes.map((node) => this.waitFor(node, ({ state }) => state !== 'starting')))
    const topology = this.withMemoryTier(this.state.topology ?? this.bootstrap(facts))
    const replaced = findReplaced(topology, facts)
    checkMajorities(topology, replaced, this.folder)
    for (const { place } of this.nodes.filter((_, at) => replaced.has(facts[at] as NodeFacts))) {
      const volume = join(this.folder, place.name)
      warn(
        `${place.name}: ${volume} is a new or another volume, not the one that the topology names. The other replicas serve; this one learns everything from them before it votes. \`thermocline status\` shows how far it is.`,
      )
    }
    await Promise.all(this.nodes.map((node) => this.install(node, topology)))
    const voters = this.nodes.filter((_, at) => !replaced.has(facts[at] as NodeFacts))
    await Promise.all(voters.map((node) => this.waitFor(node, ({ state }) => state === 'serving' || state === 'learning')))
    for (const node of this.memoryNodes) node.start()
    await Promise.all(this.memoryNodes.map((node) => this.waitFor(node, ({ state }) => state === 'serving')))
    this.warn = warn
  }

  /** A node that has started again has its topology from its disk, unless it lost that. */
  private async handTopology(node: NodeProcess): Promise<void> {
    const topology = this.state.topology as Topology
    try {
      const { epoch } = await this.waitFor(node, ({ state }) => state !== 'starting')
      if (epoch < topology.epoch) await this.install(node, topology)
    } catch (error) {
      this.warn?.(`${node.place.name} runs again, but did not get its topology: ${error instanceof Error ? error.message : String(error)}`)
    }
  }

  /** The topology with the memory nodes that there are now: another epoch, if they are others than before. */
  private withMemoryTier(topology: Topology): Topology {
    const { groups, memoryPlaces = [] } = this.state
    const machinesOf = (group: number) =>
      memoryPlaces.filter((place) => place.group === group).map(({ data, http }) => ({ data, http, zone: '' }))
    const { memory: before, ...rest } = topology
    const memory =
      memoryPlaces.length === 0
        ? undefined
        : { newerThanMs: 0, ratioPercent: 100, ...before, groups: Array.from({ length: groups }, (_, group) => machinesOf(group)) }
    if (JSON.stringify(memory) === JSON.stringify(before)) return topology
    const next = parseTopology({ ...rest, epoch: topology.epoch + 1, ...(memory === undefined ? {} : { memory }) })
    this.state = { ...this.state, topology: next }
    writeState(this.folder, this.state)
    return next
  }

  async stop(): Promise<void> {
    await Promise.all(this.memoryNodes.map((node) => node.stop(STOP_GRACE_MS)))
    await Promise.all(this.nodes.map((node) => node.stop(STOP_GRACE_MS)))
    this.lock.release()
  }

  /** Ends all nodes at once. */
  kill(): void {
    for (const node of [...this.nodes, ...this.memoryNodes]) node.kill()
  }

  private bootstrap(facts: readonly NodeFacts[]): Topology {
    const { clusterId, groups, replicas, places } = this.state
    const topology = parseTopology({
      formatVersion: 1,
      clusterId,
      epoch: 1,
      sliceDurationMs: this.sliceDurationMs ?? DEFAULT_SLICE_DURATION_MS,
      groups: Array.from({ length: groups }, (_, group) => ({
        group,
        replicas: Array.from({ length: replicas }, (_, replica) => {
          const at = group * replicas + replica
          const { data, http } = places[at] as ReplicaPlace
          return { replica, data, http, zone: `local-${replica}`, incarnation: (facts[at] as NodeFacts).incarnation }
        }),
      })),
    })
    this.state = { ...this.state, topology }
    writeState(this.folder, this.state)
    return topology
  }

  private async install({ place }: NodeProcess, topology: Topology): Promise<void> {
    try {
      await putTopology(place.http, topology, this.token)
    } catch (error) {
      if (!(error instanceof ThermoclineError) || error.code !== 'stale_epoch') throw error
      const theirs = await nodeTopology(place.http)
      if (canonicalTopology(theirs) === canonicalTopology(topology)) return
      throw new ThermoclineError(
        'stale_epoch',
        `up: ${place.name} has a topology of epoch ${theirs.epoch} that is not the one of ${join(this.folder, 'cluster.json')}, epoch ${topology.epoch}; who else wrote it?`,
        { cause: error },
      )
    }
  }

  /** Waits until a node answers as wanted. @throws ThermoclineError `unavailable`, with the end of its log. */
  private async waitFor(node: NodeProcess, wanted: (facts: NodeFacts) => boolean): Promise<NodeFacts> {
    const until = performance.now() + START_TIMEOUT_MS
    let last = 'it does not answer'
    while (performance.now() < until) {
      const hasEnded = !node.isUp && !node.isRejoining
      if (hasEnded) last = 'it ended'
      if (hasEnded) break
      try {
        const facts = await nodeStatus(node.place.http)
        if (facts.clusterId !== undefined && facts.clusterId !== this.state.clusterId) {
          throw new ThermoclineError(
            'wrong_cluster',
            `up: ${node.place.name} belongs to cluster ${facts.clusterId}, not ${this.state.clusterId}`,
          )
        }
        if (wanted(facts)) return facts
        last = `${facts.state}${facts.reason === undefined ? '' : `: ${facts.reason}`}`
      } catch (error) {
        // A node that listens but is not set up yet may answer anything; what it said last is told at the end.
        if (!(error instanceof ThermoclineError) || error.code === 'wrong_cluster') throw error
        if (error.code !== 'unavailable') last = error.message
      }
      await delay(POLL_MS)
    }
    const words = node.lastWords()
    const refusal = node.isUp ? undefined : refusalIn(words)
    if (refusal !== undefined) throw new ThermoclineError(refusal.code, `up: ${node.place.name} does not start: ${refusal.message}`)
    throw new ThermoclineError(
      'unavailable',
      `up: ${node.place.name} does not serve (${last}); its log is ${node.logPath}${words === '' ? '' : ` and ends with\n${words}`}`,
    )
  }

  private noteNodes(): void {
    this.lock.setNodes([...this.nodes, ...this.memoryNodes].map((node) => node.pid).filter((pid) => pid !== undefined))
  }
}

/** The facts of nodes whose volume has no incarnation of its own yet, and is not the one that the topology names for their slot. */
function findReplaced(topology: Topology, facts: readonly NodeFacts[]): ReadonlySet<NodeFacts> {
  return new Set(
    facts.filter(({ group, replica, incarnation: { number, nonce } }) => {
      const named = topology.groups[group]?.replicas[replica]?.incarnation
      return number === 0 && named?.nonce !== nonce
    }),
  )
}

/** @throws ThermoclineError `unavailable` if a group lost so many volumes that the rest cannot serve. */
function checkMajorities(topology: Topology, replaced: ReadonlySet<NodeFacts>, folder: string): void {
  for (const { group, replicas } of topology.groups) {
    const lost = [...replaced].filter((facts) => facts.group === group)
    if (lost.length * 2 < replicas.length) continue
    const names = lost.map(({ replica }) => `g${group}-r${replica}`).join(' and ')
    throw new ThermoclineError(
      'unavailable',
      `up: ${names} of ${replicas.length} replicas in ${folder} are new or other volumes, not those that the topology names; what they promised is lost with the old ones, and the rest is no majority. Put the old volumes back, or start anew with another --data`,
    )
  }
}

/** What a node that refused to start said last: `thermocline node: <code>: <message>`. */
function refusalIn(words: string): { code: ErrorCode; message: string } | undefined {
  const [, code, message] = [...words.matchAll(/^thermocline node: ([a-z_]+): (.*)$/gm)].at(-1) ?? []
  return code !== undefined && message !== undefined && code in ERRORS ? { code: code as ErrorCode, message } : undefined
}

function nodeFlags(options: LocalClusterOptions, state: ClusterState, place: ReplicaPlace, tokenPath: string): string[] {
  const data = join(options.folder, place.name)
  if (!existsSync(data)) mkdirSync(data, { recursive: true, mode: 0o700 })
  const flags: Record<string, string> = {
    role: 'storage',
    data,
    group: String(place.group),
    replica: String(place.replica),
    cluster: state.clusterId,
    listen: place.data,
    http: place.http,
    'token-file': tokenPath,
  }
  if (options.nodeMemory !== undefined) flags.memory = options.nodeMemory
  if (options.allowHost !== undefined) flags['allow-host'] = options.allowHost
  return Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value])
}

function memoryFlags(options: LocalClusterOptions, state: ClusterState, place: ReplicaPlace): string[] {
  const flags: Record<string, string> = {
    role: 'memory',
    group: String(place.group),
    machine: String(place.replica),
    cluster: state.clusterId,
    storage: state.places.map(({ data }) => data).join(','),
    listen: place.data,
    http: place.http,
    cache: options.cache ?? DEFAULT_CACHE,
  }
  if (options.allowHost !== undefined) flags['allow-host'] = options.allowHost
  return Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value])
}

/** The state with as many memory nodes as are wanted; those that are there keep their ports. */
async function withMemory({ memory, port }: LocalClusterOptions, state: ClusterState): Promise<ClusterState> {
  const { memoryPlaces = [], groups } = state
  if (memory === undefined || memory * groups === memoryPlaces.length) return state
  const base = Number(state.places[0]?.data.split(':')[1])
  const isByBase = port !== 0 && state.places.every(({ data }, at) => Number(data.split(':')[1]) === base + PORT_STEP * at)
  const places = isByBase ? placeMemoryByBase(state, memory, base) : placeMemoryOn(state, memory, await findFreePorts(2 * groups * memory))
  return { ...state, memoryPlaces: places }
}

async function makeState(options: LocalClusterOptions): Promise<ClusterState> {
  const shape: ClusterShape = { groups: options.groups ?? DEFAULT_SHAPE.groups, replicas: options.replicas ?? DEFAULT_SHAPE.replicas }
  checkShape(shape)
  const port = options.port ?? DEFAULT_SHAPE.port
  const places = port === 0 ? placeOn(shape, await findFreePorts(2 * shape.groups * shape.replicas)) : placeByBase(shape, port)
  return newState(shape, places)
}

/** A folder's cluster keeps its shape and ports. */
function checkAgrees(options: LocalClusterOptions, known: ClusterState): void {
  const base = Number(known.places[0]?.data.split(':')[1])
  const wanted: [string, number | undefined, number][] = [
    ['--replicas', options.replicas, known.replicas],
    ['--groups', options.groups, known.groups],
    ['--port', options.port === 0 ? undefined : options.port, base],
  ]
  for (const [flag, asked, has] of wanted) {
    if (asked === undefined || asked === has) continue
    throw new ThermoclineError(
      'invalid_argument',
      `${flag}: ${asked} differs from the cluster in ${options.folder}, which has ${has}; leave the flag out, or use another --data`,
    )
  }
  const { topology } = known
  if (options.sliceDurationMs !== undefined && topology !== null && topology.sliceDurationMs !== options.sliceDurationMs) {
    throw new ThermoclineError('invalid_argument', `--slice-duration-ms: is fixed at ${topology.sliceDurationMs} when a cluster is created`)
  }
}
