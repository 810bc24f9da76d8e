/**
 * A sector of a log rots: one byte of a write that was durable reads differently from now on. Never the last write's: a
 * disk that loses that is outside the fault model (⚖5), and looks like a cut tail.
 */

import { WRITE_ALIGN } from '../../../src/wal/records.ts'
import { readSegmentHead, SEGMENT_HEAD_BYTES, writeAt } from '../../../src/wal/segment.ts'
import type { Fault } from './fault.ts'

export const corruptSector: Fault = {
  name: 'corruptSector',
  weights: [0, 0, 1],
  inject: (world) => {
    const number = world.anyReplica()
    const { volume } = world.machine(number)
    if (!world.cluster.canLoseAnother()) return
    const found = [...volume.disk.files.values()].flatMap(({ content }) => writesIn(content).map((write) => ({ content, ...write })))
    const last = Math.max(...found.map((write) => write.number))
    const older = found.filter((write) => write.number < last)
    if (older.length === 0) return
    const { content, from, to } = older[world.random.below(older.length)] as (typeof older)[number]
    const at = from + world.random.below(to - from)
    content[at] = (content[at] as number) ^ (1 << world.random.below(8))
    world.cluster.damage(number)
  },
}

/** The writes of a segment, whatever volume it belonged to. */
function writesIn(content: Uint8Array): { number: number; from: number; to: number }[] {
  if (content.length < SEGMENT_HEAD_BYTES) return []
  const nonce = Buffer.from(content.subarray(14, 22)).toString('hex')
  const head = readSegmentHead(content.subarray(0, SEGMENT_HEAD_BYTES), 'segment', nonce)
  const writes: { number: number; from: number; to: number }[] = []
  if (head === undefined) return writes
  for (let offset = SEGMENT_HEAD_BYTES; offset < content.length; offset += WRITE_ALIGN) {
    const write = writeAt(content, offset, head.key)
    if (write !== undefined) writes.push({ number: write.number, from: offset, to: write.bodyTo })
  }
  return writes
}
