/**
 * `thermocline inspect DATADIR`: what a volume holds, without changing it and while no process runs on it: identity,
 * topology, log range, and each block's position and digest after replay.
 *
 * The engine writes files of its own when it opens, so it opens a shadow of its folder: a temporary folder of links to
 * the tables and copies of the small files. The log is read through a folder whose writes go nowhere.
 */
import {
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { formatProcessId, ThermoclineError, type Topology } from '@thermocline/protocol'
import { SEGMENT_BYTES } from './config.ts'
import { type Engine, openEngine } from './engine/mod.ts'
import { OsLogFolder } from './io/os/log-folder.ts'
import type { LogFolder } from './io/ports.ts'
import { Core } from './paxos/core.ts'
import { Learner } from './paxos/learner.ts'
import { MessageWriter } from './paxos/messages.ts'
import { ProcessTable } from './paxos/processes.ts'
import { Applier } from './replica/applier.ts'
import { PeerMemories } from './replica/peer-memory.ts'
import { Recovery } from './replica/recovery.ts'
import { parseVolume, VOLUME_FILE, verifyVolume } from './replica/volume.ts'
import { parseTopologyFile, TOPOLOGY_FILE } from './roles/storage/topology-store.ts'
import { type Replayed, replayLog } from './wal/replay.ts'

export interface Inspection {
  readonly volume: ReturnType<typeof parseVolume>
  readonly topology: Pick<Topology, 'epoch' | 'clusterId'> | undefined
  readonly log: {
    readonly segments: readonly { readonly name: string; readonly generation: number; readonly bytes: number }[]
    readonly spares: number
    readonly writes: number
    readonly lastWrite: number
    readonly lastBoot: number
    readonly tornTail: boolean
  }
  readonly peers: readonly { readonly replica: number; readonly boot: number; readonly write: number }[]
  readonly blocks: readonly {
    readonly block: number
    readonly index: number
    readonly flushedIndex: number
    readonly valueId: string
    readonly digest: string
    /** What an instance that is not known chosen holds. */
    readonly open: string | undefined
  }[]
}

/**
 * @throws ThermoclineError `invalid_argument` if there is no volume, `unsupported_version`, `corrupt`, `locked` if a
 * process runs on it.
 */
export async function inspectVolume(dataDir: string): Promise<Inspection> {
  const volumeFile = join(dataDir, VOLUME_FILE)
  if (!existsSync(volumeFile)) {
    throw new ThermoclineError(
      'invalid_argument',
      `DATADIR: ${dataDir} holds no ${VOLUME_FILE}; expected the --data of a node, like DIR/g0-r0`,
    )
  }
  const volume = parseVolume(readFileSync(volumeFile))
  verifyVolume(volume)
  const topologyFile = join(dataDir, TOPOLOGY_FILE)
  const topology = existsSync(topologyFile) ? parseTopologyFile(readFileSync(topologyFile)) : undefined
  const shadow = mkdtempSync(join(tmpdir(), 'thermocline-inspect-'))
  try {
    return await replayShadow(dataDir, shadow, volume, topology)
  } finally {
    rmSync(shadow, { recursive: true, force: true })
  }
}

async function replayShadow(
  dataDir: string,
  shadow: string,
  volume: ReturnType<typeof parseVolume>,
  topology: Topology | undefined,
): Promise<Inspection> {
  const enginePath = join(shadow, 'engine')
  shadowFolder(join(dataDir, 'engine'), enginePath)
  const engine = openEngine({
    path: enginePath,
    sliceDurationMs: topology?.sliceDurationMs ?? 1000,
    memtableBytes: 1024 ** 4,
    blockCacheBytes: 32 * 1024 * 1024,
    versionCacheBytes: 64 * 1024,
    incarnation: 'inspect',
  })
  const processes = new ProcessTable()
  const memories = new PeerMemories()
  const core = idleCore(processes, volume)
  const learner = new Learner(
    core,
    () => undefined,
    () => {},
  )
  const recovery = new Recovery(core, learner, memories)
  recovery.takePositions(engine)
  const flushed = new Map(core.known.map((state) => [state.block, state.chosen]))
  const applier = new Applier(
    core,
    engine,
    (state) => {
      state.isSetAside = true
    },
    undefined,
  )
  const folder = readOnly(new OsLogFolder(join(dataDir, 'log')))
  const replayed = await replayLog(folder, SEGMENT_BYTES, volume.incarnation.nonce, processes, recovery, async () => applier.run())
  applier.run()
  const blocks = describeBlocks(core, engine, flushed)
  await engine.close()
  return {
    volume,
    topology: topology === undefined ? undefined : { epoch: topology.epoch, clusterId: topology.clusterId },
    log: describeLog(replayed),
    peers: memories.all().map(({ replica, boot, write }) => ({ replica, boot, write })),
    blocks,
  }
}

function describeLog({ written, spares, writes, lastWrite, lastBoot, cutTail }: Replayed): Inspection['log'] {
  return {
    segments: written.map(({ name, generation, end }) => ({ name, generation, bytes: end })),
    spares: spares.length,
    writes,
    lastWrite,
    lastBoot,
    tornTail: cutTail,
  }
}

function describeBlocks(core: Core, engine: Engine, flushed: ReadonlyMap<number, number>): Inspection['blocks'] {
  return core.known
    .filter((state) => state.chosen > 0 || core.isOpen(state))
    .sort((a, b) => a.block - b.block)
    .map((state) => ({
      block: state.block,
      index: state.chosen,
      flushedIndex: flushed.get(state.block) ?? 0,
      valueId: state.chosenProcess === 0 ? '' : `${formatProcessId(core.processes.get(state.chosenProcess))}#${state.chosenCounter}`,
      digest: engine.digest(state.block),
      open: core.isOpen(state) ? `accepted in round ${state.acceptedRound}` : undefined,
    }))
}

/** Tables never change once written: links to them do. The rest is small and copied. */
function shadowFolder(from: string, to: string): void {
  mkdirSync(to, { recursive: true })
  if (!existsSync(from)) return
  for (const name of readdirSync(from)) {
    const path = resolve(from, name)
    if (!statSync(path).isFile() || name === 'LOCK') continue
    if (!name.endsWith('.sst')) copyFileSync(path, join(to, name))
    else if (!tryLink(path, join(to, name))) symlinkSync(path, join(to, name))
  }
}

function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to)
    return true
  } catch {
    return false
  }
}

function readOnly(folder: LogFolder): LogFolder {
  return {
    list: () => folder.list(),
    open: async (name) => {
      const file = await folder.open(name)
      return {
        read: (offset, length) => file.read(offset, length),
        write: (_bytes, _offset, done) => done(undefined),
        close: () => file.close(),
      }
    },
    create: () => Promise.reject(new Error('a volume under inspection is not written to')),
    remove: () => Promise.reject(new Error('a volume under inspection is not written to')),
  }
}

/** A core that only replays: it has no peers, and its log takes nothing. */
function idleCore(processes: ProcessTable, volume: ReturnType<typeof parseVolume>): Core {
  const self = processes.intern({ group: volume.group, replica: volume.replica, incarnation: volume.incarnation, boot: volume.boot })
  return new Core({
    processes,
    self,
    replica: volume.replica,
    replicaCount: 1,
    log: { promise: () => 0, accept: () => 0, learned: () => 0, chosen: () => {}, durableWrite: 0 },
    outbox: { messages: new MessageWriter(processes, self), now: () => undefined, afterSync: () => undefined },
    random: () => 0,
    priority: () => [volume.replica],
    remember: () => 0,
    checkEntry: () => undefined,
    violation: () => {},
  })
}

/** The inspection as text for people. */
export function formatInspection(found: Inspection): string {
  const { volume, log } = found
  const lines = [
    `cluster ${volume.clusterId}, group ${volume.group}, replica ${volume.replica}`,
    `incarnation ${volume.incarnation.number}:${volume.incarnation.nonce}, boot ${volume.boot}, format ${volume.formatVersion}`,
    `topology ${found.topology === undefined ? 'none' : `epoch ${found.topology.epoch}`}`,
    `log ${log.segments.length} segments and ${log.spares} spare, ${log.writes} writes, the last is number ${log.lastWrite} of boot ${log.lastBoot}${log.tornTail ? ', then a torn tail' : ''}`,
    '',
    'block   index   flushed   digest             value id',
  ]
  for (const { block, index, flushedIndex, digest, valueId, open } of found.blocks) {
    lines.push(
      `${String(block).padStart(5)} ${String(index).padStart(7)} ${String(flushedIndex).padStart(9)}   ${digest}   ${valueId}${open === undefined ? '' : `   (open: ${open})`}`,
    )
  }
  return lines.join('\n')
}
