/** Small files replaced as a whole: written beside, synced, renamed over, and the name synced. */
import { open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { ThermoclineError } from '@thermocline/protocol'
import type { StateFiles } from '../ports.ts'
import { syncFolder } from './log-folder.ts'

export class OsStateFiles implements StateFiles {
  private readonly path: string
  private replacing: Promise<void> = Promise.resolve()

  constructor(path: string) {
    this.path = path
  }

  async read(name: string): Promise<Uint8Array | undefined> {
    try {
      return await readFile(join(this.path, name))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw failure('read', join(this.path, name), error)
    }
  }

  /** One after the other: all write beside the file under one name. */
  replace(name: string, bytes: Uint8Array): Promise<void> {
    const done = this.replacing.then(() => this.tryReplace(name, bytes))
    this.replacing = done.catch(() => {})
    return done.catch((error: unknown) => {
      throw failure('written', join(this.path, name), error)
    })
  }

  private async tryReplace(name: string, bytes: Uint8Array): Promise<void> {
    const path = join(this.path, name)
    const file = await open(`${path}.new`, 'w', 0o600)
    try {
      await file.write(bytes)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(`${path}.new`, path)
    await syncFolder(this.path)
  }
}

function failure(what: string, path: string, cause: unknown): Error {
  const message = `${path} could not be ${what}: ${(cause as Error).message}`
  if ((cause as NodeJS.ErrnoException).code === 'ENOSPC') {
    return new ThermoclineError('disk_full', `${message}; free space on the volume and start the node again`, { cause })
  }
  return new Error(`${message}; if the disk has failed, give the node another one: the replica learns from its peers`, { cause })
}
