/** Runs one `thermocline` command to its end, as a shell would. */
import { EXECUTABLE } from './executable.ts'
import { type ProgramOptions, type ProgramResult, tryProgram } from './program.ts'

const DEFAULT_TIMEOUT_MS = 60_000

export function runCommand(args: readonly string[], options: ProgramOptions = {}): Promise<ProgramResult> {
  return tryProgram(EXECUTABLE, args, { timeoutMs: DEFAULT_TIMEOUT_MS, ...options })
}
