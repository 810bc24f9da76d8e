/** Lines that are no records: kept in a file, one JSON object each, which is made when the first one comes. */
import { appendFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'

/** So many are shown; the file has all. */
const SHOWN = 10

export class RejectFile {
  count = 0
  readonly path: string
  private readonly show: (line: string) => void

  /** Keeps what an interrupted import wrote up to `lastLine`, 0 to start over. */
  constructor(path: string, lastLine: number, show: (line: string) => void) {
    this.path = path
    this.show = show
    if (!existsSync(path)) return
    const kept = readFileSync(path, 'utf8')
      .split('\n')
      .filter((text) => text !== '' && lineOf(text) <= lastLine)
    if (kept.length === 0) rmSync(path)
    else writeFileSync(path, `${kept.join('\n')}\n`)
    this.count = kept.length
  }

  add(line: number, reason: string, text: string): void {
    this.count++
    if (this.count <= SHOWN) this.show(`line ${line}: ${reason}`)
    if (this.count === SHOWN + 1) this.show('more lines are rejected; see the reject file')
    appendFileSync(this.path, `${JSON.stringify({ line, reason, text })}\n`)
  }
}

function lineOf(text: string): number {
  try {
    return (JSON.parse(text) as { line: number }).line
  } catch {
    return Number.POSITIVE_INFINITY
  }
}
