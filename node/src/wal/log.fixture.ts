/** A real log in a temporary folder, for tests: written, closed, damaged, opened again. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { OsLogFolder } from '../io/os/log-folder.ts'
import type { LogFolder } from '../io/ports.ts'
import { type ProcessRef, ProcessTable } from '../paxos/processes.ts'
import { type Replayed, type ReplayHandler, replayLog } from './replay.ts'
import { SegmentPool } from './segment-pool.ts'
import { SharedLog } from './shared-log.ts'

export const NONCE = '0123456789abcdef'
export const SEGMENT_BYTES = 32 * 1024

export class LogFixture {
  readonly path = mkdtempSync(join(tmpdir(), 'thermocline-log-'))
  readonly processes = new ProcessTable()
  readonly self: ProcessRef = this.processes.intern({ group: 0, replica: 1, incarnation: { number: 0, nonce: NONCE }, boot: 1 })
  readonly durable: number[] = []
  failure: Error | undefined
  replayed!: Replayed
  /** What replay handed over, one line per record. */
  records: string[] = []
  readonly damages: string[] = []
  /** What the engine would say. */
  flushNumber = 0
  /** What replay said of it. */
  flushed = 0
  log!: SharedLog
  pool!: SegmentPool
  /** Called after replay, before anything new is written. */
  onReplayed: () => void = () => {}
  private readonly wrap: (folder: LogFolder) => LogFolder

  constructor(wrap: (folder: LogFolder) => LogFolder = (folder) => folder) {
    this.wrap = wrap
  }

  /** Opens the log as a process with this boot would. */
  async open(boot: number): Promise<void> {
    this.records = []
    const folder = this.wrap(new OsLogFolder(this.path))
    this.replayed = await replayLog(folder, SEGMENT_BYTES, NONCE, this.processes, this.recorder(), async () => {})
    this.onReplayed()
    this.pool = new SegmentPool(
      {
        folder,
        segmentBytes: SEGMENT_BYTES,
        retainSegments: 1,
        volumeNonce: NONCE,
        randomHex: (bytes) => randomBytes(bytes).toString('hex'),
        flushNumber: () => this.flushNumber,
        onSpare: () => this.log.start(),
        onFull: () => {},
      },
      this.replayed,
    )
    this.log = new SharedLog({
      processes: this.processes,
      onDurable: (write) => this.durable.push(write),
      onFailure: (error) => {
        this.failure = error
      },
      onDamage: (message) => this.damages.push(message),
      beforeWrite: () => {},
    })
    const { lastWrite, lastBoot, index } = this.replayed
    this.log.open({ pool: this.pool, index, lastWrite, firstWrite: lastWrite + Math.max(1, boot - lastBoot) })
    await this.log.durable(this.log.boot(boot))
  }

  /** One accept in a write of its own. */
  async accept(block: number, instance: number, text: string): Promise<number> {
    const write = this.log.accept(
      block,
      instance,
      0,
      this.self,
      this.self,
      instance - 1,
      this.self,
      instance,
      new TextEncoder().encode(text),
    )
    await this.log.durable(write)
    return write
  }

  private recorder(): ReplayHandler {
    const say = (line: string): void => {
      this.records.push(line)
    }
    const text = new TextDecoder()
    return {
      onFlushed: (flush) => {
        this.flushed = flush
      },
      onPromise: (block, instance, round) => say(`promise ${block}/${instance} ${round}`),
      onAccept: (block, instance, round, _p, _pp, _pc, _vp, counter, entry) =>
        say(`accept ${block}/${instance} ${round} #${counter} ${text.decode(entry)}`),
      onLearned: (block, instance, _p, counter, entry) => say(`learned ${block}/${instance} #${counter} ${text.decode(entry)}`),
      onChosen: (block, instance, _p, counter) => say(`chosen ${block}/${instance} #${counter}`),
      onPeer: (memory) => say(`peer ${memory.replica} boot ${memory.boot} write ${memory.write}`),
      onCopyBegin: (block) => say(`copyBegin ${block}`),
      onCopyEnd: (block, index) => say(`copyEnd ${block}/${index}`),
      onBoot: (boot) => say(`boot ${boot}`),
      onNamed: (replica, { number }) => say(`named ${replica} ${number}`),
      onAside: (block, index) => say(`aside ${block}/${index}`),
      onVotes: (first, last) => say(`votes ${first} to ${last}`),
    }
  }

  segments(): string[] {
    return readdirSync(this.path).toSorted((a, b) => (a < b ? -1 : 1))
  }

  /** Changes the bytes of a segment file. */
  damage(name: string, change: (bytes: Buffer) => void): void {
    const file = join(this.path, name)
    const bytes = readFileSync(file)
    change(bytes)
    writeFileSync(file, bytes)
  }

  async close(): Promise<void> {
    await this.log.close()
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true })
  }
}
