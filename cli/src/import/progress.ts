/** Progress of an import on stderr: a bar with rate and ETA on a terminal, a line every few seconds elsewhere. */
import { formatBytes, formatCount, formatSpan } from '../report.ts'
import type { ImportFigures } from './importer.ts'

const BAR_MS = 200
const LINE_MS = 5000
const BAR_CHARS = 24

export class Progress {
  private readonly figures: ImportFigures
  private readonly totalBytes: number | undefined
  private readonly beganMs = performance.now()
  private readonly firstRecords: number
  private readonly timer: NodeJS.Timeout | undefined
  private readonly isTerminal = process.stderr.isTTY

  constructor(figures: ImportFigures, totalBytes: number | undefined, isQuiet: boolean) {
    this.figures = figures
    this.totalBytes = totalBytes
    this.firstRecords = figures.records
    if (!isQuiet) this.timer = setInterval(() => this.draw(), this.isTerminal ? BAR_MS : LINE_MS)
    this.timer?.unref()
  }

  /** Prints a line above the bar. */
  note(line: string): void {
    if (this.isTerminal) process.stderr.write('\r\u001B[K')
    process.stderr.write(`${line}\n`)
  }

  end(): void {
    clearInterval(this.timer)
    if (this.isTerminal && this.timer !== undefined) process.stderr.write('\r\u001B[K')
  }

  private draw(): void {
    const text = this.text(performance.now() - this.beganMs)
    process.stderr.write(this.isTerminal ? `\r\u001B[K${text}` : `${text}\n`)
  }

  private text(elapsedMs: number): string {
    const { offset, records, rejected, isSkipping } = this.figures
    if (isSkipping) return `reading what is imported already: ${formatBytes(offset)}`
    const rate = ((records - this.firstRecords) / elapsedMs) * 1000
    const rejects = rejected === 0 ? '' : `, ${formatCount(rejected)} rejected`
    const counts = `${formatCount(records)} records, ${formatCount(rate)}/s${rejects}`
    if (this.totalBytes === undefined || this.totalBytes === 0) return `${counts}, ${formatBytes(offset)} read`
    const share = Math.min(1, offset / this.totalBytes)
    const filled = Math.round(share * BAR_CHARS)
    const eta = share > 0 ? formatSpan((elapsedMs / share) * (1 - share)) : '?'
    return `[${'█'.repeat(filled)}${'·'.repeat(BAR_CHARS - filled)}] ${Math.floor(share * 100)} %  ${counts}, ETA ${eta}`
  }
}
