/** Newline-delimited JSON out of chunks that end anywhere, even within a character. Pure. */

export class JsonLines {
  private readonly decoder = new TextDecoder()
  private readonly mostChars: number
  private parts: string[] = []
  private length = 0

  constructor(mostChars: number) {
    this.mostChars = mostChars
  }

  /**
   * The values that this chunk completes.
   * @throws Error if a line is not JSON or too long.
   */
  push(chunk: Uint8Array): unknown[] {
    const values: unknown[] = []
    const text = this.decoder.decode(chunk, { stream: true })
    let from = 0
    for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', from)) {
      this.parts.push(text.slice(from, end))
      from = end + 1
      const line = this.parts.join('')
      this.parts = []
      this.length = 0
      if (line.trim() !== '') values.push(JSON.parse(line))
    }
    if (from < text.length) {
      this.parts.push(text.slice(from))
      this.length += text.length - from
      if (this.length > this.mostChars) throw new Error(`a line of over ${this.mostChars} characters; expected one object`)
    }
    return values
  }
}
