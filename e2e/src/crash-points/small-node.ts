/** A process of the program `node/src/small-node.fixture.ts`: commands in, answers out. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const PROGRAM = fileURLToPath(new URL('../../../node/src/small-node.fixture.ts', import.meta.url))

interface Answer {
  readonly id: number
  readonly ok?: unknown
  readonly error?: string
}

interface Waiting {
  resolve(ok: unknown): void
  reject(error: Error): void
}

export class SmallNode {
  private readonly child: ChildProcess
  private readonly waiting = new Map<number, Waiting>()
  private lastId = 0
  private said = ''
  private ended: Error | undefined

  constructor(env: Readonly<Record<string, string>> = {}) {
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', PROGRAM], { env: { ...process.env, ...env } })
    this.child = child
    child.stderr.on('data', (chunk: Buffer) => {
      this.said += chunk.toString()
    })
    // It may be gone before it has read a command: its end says so.
    child.stdin.on('error', () => {})
    createInterface({ input: child.stdout }).on('line', (line) => this.take(JSON.parse(line) as Answer))
    child.once('close', (code, signal) => {
      this.ended = new Error(`the process ended with ${signal ?? code}: ${this.said.trim()}`)
      for (const { reject } of this.waiting.values()) reject(this.ended)
    })
  }

  /** Resolves to the answer. @throws what the program reports, or what it said at its end. */
  run(command: object): Promise<unknown> {
    if (this.ended !== undefined) return Promise.reject(this.ended)
    const id = ++this.lastId
    this.child.stdin?.write(`${JSON.stringify({ id, command })}\n`)
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject })
    })
  }

  private take({ id, ok, error }: Answer): void {
    const waiting = this.waiting.get(id)
    this.waiting.delete(id)
    if (error === undefined) waiting?.resolve(ok)
    else waiting?.reject(new Error(error))
  }

  async kill(): Promise<void> {
    if (this.ended !== undefined) return
    const ended = once(this.child, 'close')
    this.child.kill('SIGKILL')
    await ended
  }
}
