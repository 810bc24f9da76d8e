/** What a cut tail leaves behind, and what a client may have put into it, is never taken for a record of the log. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ByteWriter } from '@thermocline/protocol'
import { LogFixture } from './log.fixture.ts'
import { RecordWriter, WRITE_ALIGN, WRITE_HEAD_BYTES } from './records.ts'
import { type SegmentKey, sealWrite } from './segment.ts'

async function withLog(run: (log: LogFixture) => Promise<void>): Promise<void> {
  const log = new LogFixture()
  try {
    await run(log)
  } finally {
    log.remove()
  }
}

/** A write with one record in it, as it would stand at `offset`. */
function forgedWrite(log: LogFixture, key: SegmentKey, offset: number, number: number): Uint8Array {
  const w = new ByteWriter(WRITE_ALIGN)
  w.claim(WRITE_HEAD_BYTES)
  new RecordWriter(log.processes).learned(w, 1, 2, log.self, 66, new TextEncoder().encode('forged'))
  return sealWrite(w, key, offset, number, number - 1).slice()
}

/** Bytes of an accept record before its entry, where the log's fixture is the process. */
const ACCEPT_HEAD_BYTES = 1 + 2 + 6 + 4 + 20 + 26 + 26 + 4

test('a value in which a client has put what looks like writes does not pass for one when its write is cut', () =>
  withLog(async (log) => {
    await log.open(1)
    const from = log.pool.active?.end ?? 0
    const generation = log.pool.active?.generation ?? 0
    // Whatever the client can know or guess: number and offset of the write, and the generation of the segment.
    const guesses: SegmentKey[] = [
      { tag: generation, seed: 0 },
      { tag: 0, seed: 0 },
      { tag: generation, seed: generation },
    ]
    const value = new Uint8Array(guesses.length * WRITE_ALIGN + WRITE_ALIGN)
    for (const [at, key] of guesses.entries()) {
      const offset = from + (1 + at) * WRITE_ALIGN
      value.set(forgedWrite(log, key, offset, log.log.fillingWrite + 1), offset - from - WRITE_HEAD_BYTES - ACCEPT_HEAD_BYTES)
    }
    await log.log.durable(log.log.accept(1, 1, 0, log.self, log.self, 0, log.self, 1, value))
    await log.close()
    const name = log.segments()[0] ?? ''
    const written = readFileSync(join(log.path, name)).subarray(from + WRITE_ALIGN, from + WRITE_ALIGN + 4)
    assert.equal(written.toString('latin1'), 'TLW1', 'the forged write begins at a sector')
    // The first sector of the client's write is lost.
    log.damage(name, (bytes) => bytes.fill(0, from, from + WRITE_ALIGN))
    await log.open(2)
    assert.deepEqual(log.records, ['boot 1'])
    await log.close()
  }))

test('a cut tail is overwritten to its end before the log goes on', () =>
  withLog(async (log) => {
    await log.open(1)
    const from = log.pool.active?.end ?? 0
    await log.accept(1, 1, 'x'.repeat(4000))
    const to = log.pool.active?.end ?? 0
    await log.close()
    const name = log.segments()[0] ?? ''
    log.damage(name, (bytes) => bytes.fill(0, from, from + WRITE_ALIGN))
    let tail: Uint8Array | undefined
    // What stands there before anything new is written.
    log.onReplayed = () => {
      tail = readFileSync(join(log.path, name)).subarray(from, to)
    }
    await log.open(2)
    assert.equal(log.replayed.cutTail, true)
    assert.deepEqual(tail, Buffer.alloc(to - from))
    await log.close()
  }))
