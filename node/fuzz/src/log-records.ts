/**
 * Segments of the shared log, whose heads, chains and checksums are right or wrong: a log that is whole is read to its end, and any
 * other is read as far as it goes, or refused as damage.
 */
import assert from 'node:assert/strict'
import { ByteWriter } from '@thermocline/protocol'
import type { Random } from '@thermocline/simulation'
import type { LogFile, LogFolder } from '../../src/io/ports.ts'
import { BlockSet } from '../../src/paxos/block-set.ts'
import { type ProcessRef, ProcessTable } from '../../src/paxos/processes.ts'
import { RecordWriter, WRITE_HEAD_BYTES } from '../../src/wal/records.ts'
import { type ReplayHandler, replayLog } from '../../src/wal/replay.ts'
import { alignUp, encodeSegmentHead, SEGMENT_HEAD_BYTES, type SegmentKey, sealWrite } from '../../src/wal/segment.ts'
import { anyNumber, mutate, orWrong, someBytes } from './numbers.ts'
import { expectCode, type Protocol, type Target } from './protocol.ts'

const SEGMENT_BYTES = 8 * 1024
const NONCE = '0123456789abcdef'
const MOST_WRITES = 8
/** Beside that of votes. */
const RECORD_KINDS = 10
/** Of so many records one says where this replica votes: that takes long to write. */
const VOTES_SHARE = 0.01

class MemoryFile implements LogFile {
  readonly bytes: Uint8Array

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  write(bytes: Uint8Array, offset: number, done: (error: Error | undefined) => void): void {
    assert.ok(offset >= 0 && offset + bytes.length <= SEGMENT_BYTES, `a write of ${bytes.length} bytes at ${offset}`)
    if (offset + bytes.length <= this.bytes.length) this.bytes.set(bytes, offset)
    done(undefined)
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    return this.bytes.slice(offset, offset + length)
  }

  async close(): Promise<void> {}
}

class MemoryFolder implements LogFolder {
  readonly files = new Map<string, MemoryFile>()

  async list(): Promise<string[]> {
    return [...this.files.keys()]
  }

  async open(name: string): Promise<LogFile> {
    return this.files.get(name) as MemoryFile
  }

  create(): Promise<LogFile> {
    throw new Error('replay makes no files')
  }

  remove(): Promise<void> {
    throw new Error('replay removes no files')
  }
}

/** Takes all records, and looks at entries to their ends. */
function reader(): ReplayHandler {
  const take = (): void => {}
  const look = (entry: Uint8Array): void => {
    entry.slice()
  }
  return {
    onFlushed: take,
    onPromise: take,
    onAccept: (_b, _i, _r, _p, _pp, _pc, _vp, _vc, entry) => look(entry),
    onLearned: (_b, _i, _p, _c, entry) => look(entry),
    onChosen: take,
    onPeer: take,
    onCopyBegin: take,
    onCopyEnd: take,
    onBoot: take,
    onVotes: take,
    onNamed: take,
    onAside: take,
  }
}

class LogRecords implements Target {
  private readonly random: Random
  private processes = new ProcessTable()
  private refs: ProcessRef[] = []

  constructor(random: Random) {
    this.random = random
  }

  private putRecord(w: ByteWriter): void {
    const { random, refs } = this
    const records = new RecordWriter(this.processes)
    const block = anyNumber(random, 16)
    const index = anyNumber(random, 48)
    const ref = (): ProcessRef => random.pick(refs)
    const counter = (): number => anyNumber(random, 48)
    const incarnation = { number: anyNumber(random, 32), nonce: random.hex(8) }
    switch (random.chance(VOTES_SHARE) ? RECORD_KINDS : random.below(RECORD_KINDS)) {
      case 0:
        records.promise(w, block, index, anyNumber(random, 32), ref())
        break
      case 1:
        records.accept(w, block, index, anyNumber(random, 32), ref(), ref(), counter(), ref(), counter(), this.entry())
        break
      case 2:
        records.learned(w, block, index, ref(), counter(), this.entry())
        break
      case 3:
        records.chosen(w, block, index, ref(), counter())
        break
      case 4:
        records.peer(w, { replica: anyNumber(random, 8), incarnation, boot: anyNumber(random, 32), nonce: NONCE, write: counter() })
        break
      case 5:
        records.copyBegin(w, block)
        break
      case 6:
        records.copyEnd(w, block, index, ref(), counter())
        break
      case 7:
        records.aside(w, block, index, ref(), counter())
        break
      case 8:
        records.boot(w, anyNumber(random, 32))
        break
      case 9:
        records.named(w, anyNumber(random, 8), incarnation)
        break
      default: {
        const votes = new BlockSet()
        for (let ranges = random.below(3); ranges > 0; ranges--) {
          const first = anyNumber(random, 16)
          votes.addRange(first, Math.min(65_535, first + random.below(50)))
        }
        records.votes(w, votes)
        break
      }
    }
  }

  private entry(): Uint8Array {
    return someBytes(this.random, this.random.chance(0.05) ? this.random.below(3000) : this.random.below(40))
  }

  /** A log as a node writes it; `isWhole` is false as soon as anything is not as it should be. */
  private log(): { folder: MemoryFolder; isWhole: boolean; lastWrite: number } {
    const { random } = this
    const folder = new MemoryFolder()
    let isWhole = true
    let lastWrite = 0
    const wrong = (number: number, bits: number): number => {
      const made = random.chance(0.3) ? orWrong(random, number, bits) : number
      if (made !== number) isWhole = false
      return made
    }
    const segments = 1 + random.below(3)
    for (let generation = 1; generation <= segments; generation++) {
      const file = new Uint8Array(SEGMENT_BYTES)
      const key: SegmentKey = { tag: random.below(2 ** 32), seed: random.below(2 ** 32) }
      file.set(encodeSegmentHead(wrong(generation, 32), NONCE, anyNumber(random, 48), key))
      let at = SEGMENT_HEAD_BYTES
      for (let writes = random.below(MOST_WRITES); writes > 0; writes--) {
        const made = this.write(key, at, wrong(lastWrite + 1, 48), wrong(lastWrite, 48))
        if (at + made.bytes.length > SEGMENT_BYTES) break
        if (!made.isWhole) isWhole = false
        file.set(made.bytes, at)
        at += made.bytes.length
        lastWrite++
      }
      let bytes: Uint8Array = file
      if (random.chance(0.15)) {
        bytes = mutate(random, file)
        if (bytes !== file) isWhole = false
        if (random.chance(0.8)) bytes = Uint8Array.from(Buffer.concat([bytes, new Uint8Array(SEGMENT_BYTES)])).subarray(0, SEGMENT_BYTES)
      }
      folder.files.set(`${String(generation).padStart(6, '0')}.log`, new MemoryFile(bytes))
    }
    return { folder, isWhole, lastWrite }
  }

  private write(key: SegmentKey, at: number, number: number, previous: number): { bytes: Uint8Array; isWhole: boolean } {
    const { random } = this
    const body = new ByteWriter(512)
    for (let records = 1 + random.below(4); records > 0; records--) this.putRecord(body)
    const records = body.copy()
    const made = random.chance(0.1) ? mutate(random, records) : records
    const w = new ByteWriter(alignUp(WRITE_HEAD_BYTES + made.length))
    w.claim(WRITE_HEAD_BYTES)
    w.put(made)
    return { bytes: sealWrite(w, key, at, number, previous).slice(), isWhole: made === records }
  }

  async run(): Promise<void> {
    // A log names the processes that it knows: each one has a table of its own.
    const { random } = this
    this.processes = new ProcessTable()
    this.refs = [0, 1, 2].map((replica) =>
      this.processes.intern({
        group: 0,
        replica,
        incarnation: { number: random.below(3), nonce: random.hex(8) },
        boot: 1 + random.below(3),
      }),
    )
    const { folder, isWhole, lastWrite } = this.log()
    try {
      const replayed = await replayLog(folder, SEGMENT_BYTES, NONCE, this.processes, reader(), async () => {})
      if (isWhole) assert.equal(replayed.lastWrite, lastWrite)
    } catch (error) {
      if (isWhole) throw error
      expectCode(error, 'corrupt', 'unsupported_version')
    }
  }

  check(): void {}

  close(): void {}
}

export const logRecords: Protocol = {
  name: 'log-records',
  weight: 10,
  inputsPerRun: 1,
  runsPerEpisode: 5000,
  open: (random) => new LogRecords(random),
}
