/**
 * A program: a storage node that is the whole cluster, on real files, with segments small enough to be recycled after a few
 * dozen writes. It takes commands on its standard input, one JSON line each, and answers each with one line, by its id. The crash-point
 * sweep (e2e/src/crash-points) runs it twice over: to be traced, and to open what a power cut may leave.
 */
import { randomBytes } from 'node:crypto'
import { openSync, writeSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { deleteOp, MAX_ID, MIN_ID, parseTopology, putOp } from '@thermocline/protocol'
import { Records } from './admin/records.ts'
import type { NodeConfig } from './config.ts'
import { quietDoors } from './doors/quiet-doors.fixture.ts'
import { openEngine } from './engine/mod.ts'
import type { BlockPosition } from './engine/port.ts'
import { readFlushProof } from './flush-proof.fixture.ts'
import { osClock } from './io/os/clock.ts'
import { OsLogFolder } from './io/os/log-folder.ts'
import { OsPeerNetwork } from './io/os/peer-network.ts'
import { OsStateFiles } from './io/os/state-files.ts'
import { TcpServer } from './io/os/tcp-server.ts'
import { claimedReplica } from './paxos/frames.ts'
import { openReplica } from './replica/replica.ts'
import { openVolume } from './replica/volume.ts'
import { StorageNode } from './roles/storage/storage-node.ts'

const CLUSTER_ID = 'c'.repeat(32)
const SEGMENT_BYTES = 32 * 1024
const TIMEOUT_MS = 10_000
const POLL_MS = 2

/** A write; `value` undefined removes the record. */
interface Write {
  readonly number: number
  readonly series: string
  readonly ms: number
  readonly value?: string
}

type Command =
  | { readonly open: string }
  | { readonly topology: number }
  /** Writes all at once; the numbers of those begun and acknowledged go to the descriptor `notes`. */
  | { readonly write: readonly Write[]; readonly notes: string }
  | { readonly flush: true }
  | { readonly stop: true }
  | { readonly read: readonly string[] }
  /** Opens a file: the library that traces the process ends it there. */
  | { readonly die: string }

let counter = 0
/** Of requests: one life must not repeat those of another, which the log remembers. */
const unusedHex = (bytes: number): string => randomBytes(bytes).toString('hex')
const randomHex = (bytes: number): string => (++counter).toString(16).padStart(bytes * 2, '0')

class SmallNode {
  private node: StorageNode | undefined
  private readonly notes = new Map<string, number>()

  async run(command: Command): Promise<unknown> {
    if ('open' in command) return this.open(command.open)
    if ('topology' in command) return this.putTopology(command.topology)
    if ('write' in command) return this.write(command.write, command.notes)
    if ('flush' in command) return this.flush()
    if ('stop' in command) return this.stop()
    if ('die' in command) return openSync(command.die, 'r')
    return this.read(command.read)
  }

  private get opened(): StorageNode {
    if (this.node === undefined) throw new Error('no folder is open')
    return this.node
  }

  private async open(dataDir: string): Promise<string> {
    const config: NodeConfig = {
      role: 'storage',
      dataDir,
      group: 0,
      replica: 0,
      clusterId: CLUSTER_ID,
      listen: '127.0.0.1:0',
      http: '127.0.0.1:0',
      memoryBytes: 0,
      logBytes: 0,
      segmentBytes: SEGMENT_BYTES,
      tokenFile: undefined,
      allowHosts: [],
      foreignVolume: 'refuse',
      versionCacheDir: undefined,
      versionCacheBytes: undefined,
      auditMs: 0,
      logLevel: 'info',
    }
    const stateFiles = new OsStateFiles(dataDir)
    const volume = await openVolume(stateFiles, { ...config, freshNonce: randomHex(8) })
    const end = (what: string): never => {
      process.stderr.write(`${what}\n`)
      process.exit(1)
    }
    const ignore = (): void => {}
    const logFolder = new OsLogFolder(join(dataDir, 'log'))
    const proof = await readFlushProof(logFolder, SEGMENT_BYTES, volume.incarnation.nonce)
    let positions: readonly BlockPosition[] = []
    const doors = quietDoors()
    this.node = new StorageNode(
      config,
      {
        clock: osClock,
        random: Math.random,
        randomHex,
        stateFiles,
        logFolder,
        network: new OsPeerNetwork({ replica: 0, ...doors, claimedReplica }),
        ...doors,
        server: new TcpServer(),
        openEngine: (options) => {
          const engine = openEngine(options)
          positions = engine.positions()
          return engine
        },
        openReplica,
        dropEngine: (path) => rm(path, { recursive: true, force: true }),
        log: { info: ignore, warn: ignore, error: ignore },
        restart: (reason) => end(`the volume has to rejoin: ${reason}`),
        fatal: (error) => end(`the store cannot go on: ${error.message}`),
      },
      volume,
    )
    await this.node.start()
    const unproven = proof(positions)
    if (unproven !== undefined) throw new Error(unproven)
    return this.node.state
  }

  private async putTopology(epoch: number): Promise<string> {
    const { incarnation } = this.opened.status()
    const replica = { replica: 0, data: '127.0.0.1:1', http: '127.0.0.1:1', zone: '', incarnation }
    const topology = { formatVersion: 1, clusterId: CLUSTER_ID, epoch, sliceDurationMs: 1000, groups: [{ group: 0, replicas: [replica] }] }
    await this.opened.installTopology(parseTopology(topology))
    return this.opened.state
  }

  private async write(writes: readonly Write[], notes: string): Promise<void> {
    const records = new Records(this.opened, 'a test', unusedHex)
    await Promise.all(
      writes.map(async ({ number, series, ms, value }) => {
        this.note(notes, `try ${number}\n`)
        const id = { ms, seq: 0 }
        await records.write(series, value === undefined ? deleteOp(id) : putOp(id, new TextEncoder().encode(value)), TIMEOUT_MS)
        this.note(notes, `ack ${number}\n`)
      }),
    )
  }

  private note(path: string, line: string): void {
    let file = this.notes.get(path)
    if (file === undefined) {
      file = openSync(path, 'a')
      this.notes.set(path, file)
    }
    writeSync(file, line)
  }

  private async flush(): Promise<void> {
    const { replica } = this.opened
    if (replica === undefined) throw new Error('it does not serve')
    while (replica.flusher.isBusy) await delay(POLL_MS)
    const { flushes } = replica.flusher
    replica.flusher.begin()
    while (replica.flusher.flushes === flushes) {
      replica.soon()
      await delay(POLL_MS)
    }
  }

  private async stop(): Promise<void> {
    await this.opened.stop()
    this.node = undefined
  }

  /** All records of the series, as `series ms` → value. */
  private async read(series: readonly string[]): Promise<Record<string, string>> {
    const records = new Records(this.opened, 'a test', unusedHex)
    const found: Record<string, string> = {}
    for (const name of series) {
      for (let from = MIN_ID; ; ) {
        const answer = await records.scan(name, { from, to: MAX_ID, limit: 1000, reverse: false }, TIMEOUT_MS)
        for (const { id, value } of answer.records) found[`${name} ${id.ms}`] = new TextDecoder().decode(value)
        if (answer.next === undefined) break
        from = answer.next
      }
    }
    return found
  }
}

const node = new SmallNode()

async function answer(line: string): Promise<void> {
  const { id, command } = JSON.parse(line) as { id: number; command: Command }
  try {
    process.stdout.write(`${JSON.stringify({ id, ok: (await node.run(command)) ?? null })}\n`)
  } catch (error) {
    process.stdout.write(`${JSON.stringify({ id, error: String(error) })}\n`)
  }
}

createInterface({ input: process.stdin }).on('line', (line) => void answer(line))
