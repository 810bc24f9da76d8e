/** How a command speaks: results to stdout, as lines for people or one JSON value per line; failures to stderr. */
import { ERRORS, ThermoclineError } from '@thermocline/protocol'
import { ExitCode, exitCodeOf } from './exit-codes.ts'

export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`)
}

export function printLine(line = ''): void {
  process.stdout.write(`${line}\n`)
}

/** Says what went wrong and what to do next, and sets the exit code. */
export function reportFailure(error: unknown, json: boolean): void {
  if (!(error instanceof ThermoclineError)) {
    process.stderr.write(`thermocline: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
    process.exitCode = ExitCode.failed
    return
  }
  const { code, message, outcome } = error
  const { nextStep } = ERRORS[code]
  if (json)
    process.stderr.write(`${JSON.stringify({ error: { code, message, outcome, nextStep, currentVersion: error.currentVersion } })}\n`)
  else process.stderr.write(`thermocline: ${message}\n  ${nextStep}\n`)
  process.exitCode = exitCodeOf(code, outcome)
}

const strictText = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** A value in JSON: always base64, and as text if it is valid UTF-8. */
export function valueFields(value: Uint8Array): { value: string; text?: string } {
  const base64 = Buffer.from(value.buffer, value.byteOffset, value.length).toString('base64')
  try {
    return { value: base64, text: strictText.decode(value) }
  } catch {
    return { value: base64 }
  }
}

/** Bytes for people: 512 B, 1.5 MiB. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`
}

/** A span for people: 45 s, 3 min 20 s, 2 h 5 min, 4 d 3 h. */
export function formatSpan(ms: number): string {
  const seconds = Math.round(ms / 1000)
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`
  const hours = Math.floor(minutes / 60)
  if (hours < 24) return `${hours} h ${minutes % 60} min`
  return `${Math.floor(hours / 24)} d ${hours % 24} h`
}

export function formatCount(count: number): string {
  return Math.round(count).toLocaleString('en-US')
}
