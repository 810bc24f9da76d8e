/** What the programs share whose memory process-memory.test.ts looks at: how much it is, and what the storage tier answers them. */
import { readFileSync } from 'node:fs'
import { type ByteWriter, PageVerdict } from '@thermocline/protocol'

/** Of this process, without files that are mapped. */
export const anonymousBytes = (): number => Number(/^RssAnon:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1024

/** A series' part of an answer: one page, of one record, all at version 1. */
export function writePageAnswer(answer: ByteWriter, id: bigint, value: Uint8Array): void {
  answer.u8(0)
  answer.u48(1)
  answer.u8(PageVerdict.page)
  answer.u48(1)
  answer.u32(1)
  const bytes = new DataView(new ArrayBuffer(8))
  bytes.setBigUint64(0, id)
  answer.put(new Uint8Array(bytes.buffer))
  answer.u48(1)
  answer.u32(value.length)
  answer.put(value)
}
