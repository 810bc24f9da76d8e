/**
 * A .tar.gz that is written as it comes, beside its name and renamed at the end: a file of that name is whole. Only its owner
 * may read it: logs and addresses are nobody else's business. What is added waits until the disk has taken what came before.
 */
import { createWriteStream } from 'node:fs'
import { link, open, rename, rm, stat } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { ThermoclineError } from '@thermocline/protocol'
import { type Pack, pack } from 'tar-stream'
import type { Archive } from './ports.ts'

export class TarArchive implements Archive {
  readonly path: string
  /** Where it is until it is whole. */
  readonly temporary: string
  private readonly folder: string
  private readonly pack: Pack = pack()
  private readonly written: Promise<void>
  private last: Promise<void> = Promise.resolve()

  private constructor(path: string, temporary: string, folder: string) {
    this.path = path
    this.temporary = temporary
    this.folder = folder
    this.written = pipeline(this.pack, createGzip(), createWriteStream(temporary, { flags: 'r+' })).catch((cause: Error) => {
      throw new Error(`--output: ${path} cannot be written: ${cause.message}; is there room?`, { cause })
    })
    // Whoever adds or finishes is told.
    this.written.catch(() => {})
  }

  /**
   * `folder` is the one that everything in it stands in. An existing file is not written over.
   * @throws ThermoclineError `invalid_argument` if there cannot be such a file.
   */
  static async create(path: string, folder: string): Promise<TarArchive> {
    const found = await stat(path).catch(() => undefined)
    if (found !== undefined) {
      const what = found.isDirectory() ? 'is a directory' : 'is there already'
      throw new ThermoclineError('invalid_argument', `--output: ${path} ${what}; expected the name of a file that is to be made`)
    }
    const temporary = `${path}.${process.pid}.part`
    try {
      await (await open(temporary, 'wx', 0o600)).close()
    } catch (cause) {
      throw new ThermoclineError(
        'invalid_argument',
        `--output: ${path} cannot be written (${(cause as Error).message}); expected a file in a folder that is there`,
        { cause },
      )
    }
    return new TarArchive(path, temporary, folder)
  }

  /** @throws Error if it cannot be written: the disk is full, for one. */
  add(path: string, body: Uint8Array): Promise<void> {
    this.last = this.last.then(() => this.write(path, body))
    return this.last
  }

  private write(path: string, body: Uint8Array): Promise<void> {
    const taken = new Promise<void>((resolve, reject) => {
      this.pack.entry({ name: `${this.folder}/${path}`, mode: 0o644 }, Buffer.from(body), (error) => (error ? reject(error) : resolve()))
    })
    // A pipeline that broke never takes anything again.
    return Promise.race([taken, this.written.then(() => taken)])
  }

  /** Ends the file and gives it its name. Resolves to its size. */
  async finish(): Promise<number> {
    await this.last
    this.pack.finalize()
    await this.written
    const { size } = await stat(this.temporary)
    await this.name()
    return size
  }

  /** A link fails where a file of that name has come in between; not every file system has links. */
  private async name(): Promise<void> {
    try {
      await link(this.temporary, this.path)
      await rm(this.temporary)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') {
        throw new ThermoclineError('invalid_argument', `--output: ${this.path} has come to be meanwhile; the bundle is ${this.temporary}`)
      }
      await rename(this.temporary, this.path)
    }
  }

  /** Leaves nothing behind. */
  async discard(): Promise<void> {
    this.pack.destroy()
    await this.written.catch(() => {})
    await rm(this.temporary, { force: true })
  }
}
