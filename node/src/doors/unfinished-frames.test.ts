import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type FrameSource, STALLED_LOOKS, UNFINISHED_LOOKS, UnfinishedFrames } from './unfinished-frames.ts'

const MIB = 1024 ** 2

class Source implements FrameSource {
  readonly source: string
  readonly decoder = { heldBytes: 0, frames: 0 }
  isPaused = false
  cuts: string[] = []

  constructor(source = '10.0.0.1') {
    this.source = source
  }

  cutFrame(code: string, message: string): void {
    this.cuts.push(`${code}: ${message}`)
  }
}

function bring(frames: UnfinishedFrames, source: Source, heldBytes: number): void {
  source.decoder.heldBytes = heldBytes
  frames.note(source)
}

test('all connections together hold no more than the bound; the oldest of whoever holds most is told overloaded', () => {
  const frames = new UnfinishedFrames(32 * MIB)
  const honest = new Source('10.0.0.2')
  bring(frames, honest, 8 * MIB)
  const strangers = Array.from({ length: 2000 }, () => new Source())
  for (const stranger of strangers) {
    bring(frames, stranger, 8 * MIB)
    assert.ok(frames.bytes <= 32 * MIB)
  }
  assert.deepEqual(honest.cuts, [])
  assert.equal(strangers.filter(({ cuts }) => cuts.length === 1).length, 1997)
  assert.match(strangers[0]?.cuts[0] as string, /^overloaded: .*33554432 bytes, most of them from 10\.0\.0\.1/)
  assert.deepEqual(strangers.at(-1)?.cuts, [])
})

test('one that stops is cut, one that drips is cut later, one that is paused by this side is not', () => {
  const frames = new UnfinishedFrames(MIB)
  const [stopped, dripping, paused, busy] = [new Source(), new Source(), new Source(), new Source()]
  paused.isPaused = true
  for (const source of [stopped, dripping, paused, busy]) bring(frames, source, 100)
  for (let look = 1; look <= UNFINISHED_LOOKS + 1; look++) {
    bring(frames, dripping, 100 + look)
    // Each look finds another frame of it unfinished.
    busy.decoder.frames++
    bring(frames, busy, 100)
    frames.look()
    assert.equal(stopped.cuts.length, look > STALLED_LOOKS ? 1 : 0)
    assert.equal(dripping.cuts.length, look > UNFINISHED_LOOKS ? 1 : 0)
  }
  assert.match(stopped.cuts[0] as string, /brought nothing more within 10 s/)
  assert.match(dripping.cuts[0] as string, /was not whole within 30 s/)
  assert.deepEqual([...paused.cuts, ...busy.cuts], [])
  paused.isPaused = false
  frames.forget(busy)
  bring(frames, paused, 0)
  assert.equal(frames.bytes, 0)
})
