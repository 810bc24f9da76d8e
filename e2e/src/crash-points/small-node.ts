/** A process of the program `node/src/small-node.fixture.ts`: commands in, answers out, one at a time. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface, type Interface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const PROGRAM = fileURLToPath(new URL('../../../node/src/small-node.fixture.ts', import.meta.url))

export class SmallNode {
  private readonly child: ChildProcess
  private readonly answers: AsyncIterator<string>
  private said = ''

  constructor(env: Readonly<Record<string, string>> = {}) {
    this.child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', PROGRAM], { env: { ...process.env, ...env } })
    this.child.stderr?.on('data', (chunk: Buffer) => {
      this.said += chunk.toString()
    })
    // It may be gone before it has read a command: its answer says so.
    this.child.stdin?.on('error', () => {})
    this.answers = (createInterface({ input: this.child.stdout as NonNullable<ChildProcess['stdout']> }) as Interface)[
      Symbol.asyncIterator
    ]()
  }

  /** Resolves to the answer. @throws what the program reports, or what it said at its end. */
  async run(command: object): Promise<unknown> {
    this.child.stdin?.write(`${JSON.stringify(command)}\n`)
    const { value, done } = await this.answers.next()
    if (done === true) {
      if (this.child.exitCode === null && this.child.signalCode === null) await once(this.child, 'exit')
      throw new Error(`the process ended with ${this.child.signalCode ?? this.child.exitCode}: ${this.said.trim()}`)
    }
    const answer = JSON.parse(value as string) as { ok?: unknown; error?: string }
    if (answer.error !== undefined) throw new Error(answer.error)
    return answer.ok
  }

  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    const ended = once(this.child, 'exit')
    this.child.kill('SIGKILL')
    await ended
  }
}
