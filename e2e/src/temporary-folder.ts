/** Folders that are gone when the process is, however it ends short of SIGKILL. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const made = new Set<string>()
const remove = (folder: string) => rmSync(folder, { recursive: true, force: true, maxRetries: 5 })

process.once('exit', () => {
  for (const folder of made) remove(folder)
})

export function makeTemporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'thermocline-e2e-'))
  made.add(folder)
  return folder
}

export function removeTemporaryFolder(folder: string): void {
  remove(folder)
  made.delete(folder)
}
