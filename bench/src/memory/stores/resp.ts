/**
 * The replies of Redis (RESP 2) that a loader of gets and sets can meet: `+OK`, `-ERR …`, `:1`, `$200 …`, `$-1`, and arrays of
 * these last two. One state per byte that may be the last of a chunk; the bytes of a value are skipped at once.
 */
import { type OnReply, type Reply, type ReplyParser, unexpected } from './replies.ts'

const [PLUS, MINUS, COLON, DOLLAR, STAR, CR, LF, ZERO] = [...'+-:$*\r\n0'].map((letter) => letter.charCodeAt(0)) as [
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
]

export class RespParser implements ReplyParser {
  private readonly onReply: OnReply
  private readonly reply: Reply = { values: 0, bytes: 0, integer: 0, error: undefined }
  /** The first byte of the line that is being read; 0 between lines. */
  private kind = 0
  private number = 0
  private isNegative = false
  private text = ''
  /** Bytes of a value and its line end that are still to come. */
  private toSkip = 0
  /** Elements of an array that are still to come; 0 outside of one. */
  private elementsLeft = 0

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
        if (this.toSkip === 0) this.endElement()
        continue
      }
      const byte = chunk[at++] as number
      if (this.kind === 0) this.beginLine(byte)
      else if (byte === LF) this.endLine()
      else if (byte !== CR) this.inLine(byte)
    }
  }

  private beginLine(byte: number): void {
    if (byte !== PLUS && byte !== MINUS && byte !== COLON && byte !== DOLLAR && byte !== STAR) throw unexpected('RESP', byte)
    this.kind = byte
    this.number = 0
    this.isNegative = false
  }

  private inLine(byte: number): void {
    if (this.kind === MINUS) this.text += String.fromCharCode(byte)
    else if (byte === MINUS) this.isNegative = true
    else if (this.kind !== PLUS) this.number = this.number * 10 + byte - ZERO
  }

  private endLine(): void {
    const { kind } = this
    this.kind = 0
    switch (kind) {
      case DOLLAR:
        if (this.isNegative) break
        this.reply.values++
        this.reply.bytes += this.number
        this.toSkip = this.number + 2
        return
      case STAR:
        this.elementsLeft = this.isNegative ? 0 : this.number
        if (this.elementsLeft === 0) this.endReply()
        return
      case COLON:
        this.reply.integer = this.isNegative ? -this.number : this.number
        break
      case MINUS:
        this.reply.error ??= this.text
        this.text = ''
        break
    }
    this.endElement()
  }

  private endElement(): void {
    if (this.elementsLeft > 0) this.elementsLeft--
    if (this.elementsLeft === 0) this.endReply()
  }

  private endReply(): void {
    this.onReply(this.reply)
    this.reply.values = 0
    this.reply.bytes = 0
    this.reply.integer = 0
    this.reply.error = undefined
  }
}
