/**
 * How far an import has come, kept beside the input. A checkpoint names a byte offset up to which every line is written or
 * rejected, and the hash of all items before it, so that an input that changed is noticed.
 */
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { ThermoclineError } from '@thermocline/protocol'

export interface Checkpoint {
  readonly formatVersion: 1
  /** What the ids depend on: series and time field, unit, format. */
  readonly mapping: string
  readonly offset: number
  readonly line: number
  readonly records: number
  readonly rejected: number
  /** 16 hexadecimal digits. */
  readonly hash: string
}

/** @throws ThermoclineError `invalid_argument` if the state is of another import. */
export function readCheckpoint(path: string, mapping: string): Checkpoint | undefined {
  if (!existsSync(path)) return undefined
  let found: Checkpoint
  try {
    found = JSON.parse(readFileSync(path, 'utf8')) as Checkpoint
  } catch (cause) {
    throw new ThermoclineError('invalid_argument', `--state: ${path} is not JSON; remove it to start over`, { cause })
  }
  if (found.formatVersion !== 1 || found.mapping !== mapping) {
    throw new ThermoclineError('invalid_argument', `--state: ${path} is of an import with other fields; remove it to start over`)
  }
  return found
}

export function writeCheckpoint(path: string, checkpoint: Checkpoint): void {
  writeFileSync(`${path}.new`, `${JSON.stringify(checkpoint)}\n`)
  renameSync(`${path}.new`, path)
}

export function removeCheckpoint(path: string): void {
  rmSync(path, { force: true })
}
