/** Damage to the files of a volume whose process is not running. */
import { readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const SECTOR_BYTES = 512

export function flipBit(file: string, offset: number): void {
  const bytes = readFileSync(file)
  bytes[offset] = (bytes[offset] as number) ^ 0x10
  writeFileSync(file, bytes)
}

export function truncate(file: string, keptBytes: number): void {
  truncateSync(file, keptBytes)
}

/** Offset of a byte of the mark that ends every table. */
export const lastByte = (file: string): number => statSync(file).size - 1

/** The files of the folder whose names match, by name. */
export function filesOf(folder: string, name: RegExp): string[] {
  return readdirSync(folder)
    .filter((file) => name.test(file))
    .toSorted((a, b) => (a < b ? -1 : 1))
    .map((file) => join(folder, file))
}

/** The one file, or the last of the files, that the name matches. */
export function fileOf(folder: string, name: RegExp): string {
  const found = filesOf(folder, name).at(-1)
  if (found === undefined) throw new Error(`no file of ${folder} matches ${name}`)
  return found
}

/** Log segments: those that were written to, oldest name first, and those that wait to be. */
export function segmentsOf(volume: string): { written: string[]; spares: string[] } {
  const all = filesOf(join(volume, 'log'), /\.log$/)
  const isWritten = (file: string): boolean => readFileSync(file).readUInt32LE(0) !== 0
  return { written: all.filter(isWritten), spares: all.filter((file) => !isWritten(file)) }
}

/** Where the last write of a segment begins: it starts a sector with the mark of writes. */
export function lastWriteOf(segment: string): number {
  const bytes = readFileSync(segment)
  const mark = bytes.toString('latin1', SECTOR_BYTES, SECTOR_BYTES + 4)
  for (let at = bytes.length - SECTOR_BYTES; at >= SECTOR_BYTES; at -= SECTOR_BYTES) {
    if (bytes.toString('latin1', at, at + 4) === mark) return at
  }
  throw new Error(`${segment} holds no write`)
}
