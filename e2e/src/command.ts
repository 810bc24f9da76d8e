/** Runs one `thermocline` command to its end, as a shell would. */
import { spawn } from 'node:child_process'
import { EXECUTABLE } from './executable.ts'

export interface CommandResult {
  /** −1 if a signal ended it. */
  readonly code: number
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface CommandOptions {
  readonly stdin?: string | Uint8Array | undefined
  readonly env?: Readonly<Record<string, string>> | undefined
  /** Kills the command; no command of a test takes longer. */
  readonly timeoutMs?: number | undefined
  readonly cwd?: string | undefined
}

const DEFAULT_TIMEOUT_MS = 60_000

export function runCommand(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const { stdin, env, timeoutMs = DEFAULT_TIMEOUT_MS, cwd } = options
  const child = spawn(EXECUTABLE, args, { env: { ...process.env, ...env }, cwd, stdio: ['pipe', 'pipe', 'pipe'] })
  const stdout: Buffer[] = []
  const stderr: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk))
  // A command that does not read its input may be gone before all of it is written.
  child.stdin.on('error', () => {})
  child.stdin.end(stdin)
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs)
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => {
      clearTimeout(timer)
      resolve({
        code: code ?? -1,
        signal,
        stdout: Buffer.concat(stdout).toString('utf8'),
        stderr: Buffer.concat(stderr).toString('utf8'),
      })
    })
  })
}
