/**
 * The replies of memcached's text protocol to `get` and `set`: `VALUE key flags bytes`, the value, … `END`; `STORED`; and the
 * errors. Lines are told apart by their first two letters; of a VALUE line only the last number counts, and the bytes of
 * the value are skipped at once.
 */
import { type OnReply, type Reply, type ReplyParser, unexpected } from './replies.ts'

const [CR, LF, SPACE, ZERO, NINE] = [...'\r\n 09'].map((letter) => letter.charCodeAt(0)) as [number, number, number, number, number]
const letters = (text: string): number => text.charCodeAt(0) * 256 + text.charCodeAt(1)
const VALUE = letters('VALUE')
const END = letters('END')
const STORED = letters('STORED')
/** ERROR, CLIENT_ERROR, SERVER_ERROR, NOT_STORED. */
const FAILURES = new Set(['ERROR', 'CLIENT_ERROR', 'SERVER_ERROR', 'NOT_STORED'].map(letters))

export class MemcachedParser implements ReplyParser {
  private readonly onReply: OnReply
  private readonly reply: Reply = { values: 0, bytes: 0, integer: 0, error: undefined }
  private lineBytes = 0
  private kind = 0
  /** The digits since the last space of the line. */
  private number = 0
  private text = ''
  /** Bytes of a value and its line end that are still to come. */
  private toSkip = 0

  constructor(onReply: OnReply) {
    this.onReply = onReply
  }

  push(chunk: Uint8Array, length: number): void {
    let at = 0
    while (at < length) {
      if (this.toSkip > 0) {
        const skipped = Math.min(this.toSkip, length - at)
        this.toSkip -= skipped
        at += skipped
        continue
      }
      const byte = chunk[at++] as number
      if (byte === LF) this.endLine()
      else if (byte !== CR) this.inLine(byte)
    }
  }

  private inLine(byte: number): void {
    if (this.lineBytes < 2) {
      this.kind = this.kind * 256 + byte
      this.number = 0
      this.text = this.lineBytes === 0 ? String.fromCharCode(byte) : this.text + String.fromCharCode(byte)
    } else if (this.kind === VALUE) {
      if (byte === SPACE) this.number = 0
      else if (byte >= ZERO && byte <= NINE) this.number = this.number * 10 + byte - ZERO
    } else if (this.kind !== END && this.kind !== STORED) this.text += String.fromCharCode(byte)
    this.lineBytes++
  }

  private endLine(): void {
    const { kind } = this
    this.kind = 0
    this.lineBytes = 0
    if (kind === VALUE) {
      this.reply.values++
      this.reply.bytes += this.number
      this.toSkip = this.number + 2
      return
    }
    if (FAILURES.has(kind)) this.reply.error = this.text
    else if (kind !== END && kind !== STORED) throw unexpected('memcached', kind >> 8)
    this.onReply(this.reply)
    this.reply.values = 0
    this.reply.bytes = 0
    this.reply.error = undefined
  }
}
