/** Runs a program of this repository as a process of its own, with this one's terminal, signals and exit code. */
import { spawn } from 'node:child_process'
import { constants } from 'node:os'

/** `command` is the program and what leads its arguments. */
export async function runProgram(command: readonly string[], args: readonly string[]): Promise<void> {
  const [program, ...first] = command as [string, ...string[]]
  const child = spawn(program, [...first, ...args], { stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal))
  process.exitCode = await new Promise<number>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])))
  })
}
