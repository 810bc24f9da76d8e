/** Builds the addon with a planted bug, beside the one that is there: what has not changed is not compiled again. */
import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { type Edit, mutate } from '@thermocline/simulation'
import { sourceOf } from './source-of.ts'

const ROOT = fileURLToPath(new URL('../../../..', import.meta.url))
/** What native/src/mod.ts loads. */
export const ADDON = "import.meta.resolve('#addon')"
export const LOADER = new URL('../../../../native/src/mod.ts', import.meta.url)

export const isNative = (file: string): boolean => file.startsWith('../../native/')

/** Resolves to what takes the place of `ADDON` in its loader. The folder goes with the process. */
export function buildMutantAddon(name: string, edits: ReadonlyMap<string, readonly Edit[]>): string {
  const folder = mkdtempSync(join(tmpdir(), 'thermocline-mutant-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  const isTaken = (path: string): boolean => basename(path) !== 'build-sanitized'
  cpSync(join(ROOT, 'native'), join(folder, 'native'), { recursive: true, preserveTimestamps: true, filter: isTaken })
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  for (const [file, ofFile] of edits) {
    const source = readFileSync(sourceOf(file), 'utf8')
    writeFileSync(join(folder, 'native/src', basename(file)), mutate(source, name, ofFile))
  }
  const headers = join(ROOT, 'node_modules', `node-linux-${process.arch}`)
  execFileSync(join(ROOT, 'node_modules/.bin/node-gyp'), ['build', `--nodedir=${headers}`], { cwd: join(folder, 'native'), stdio: 'pipe' })
  return JSON.stringify(pathToFileURL(join(folder, 'native/build/Release/thermocline.node')).href)
}
