/** The `thermocline` program. */
import { CommanderError } from 'commander'
import { ExitCode } from './exit-codes.ts'
import { buildProgram } from './program.ts'
import { reportFailure } from './report.ts'

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // Whoever read the output has seen enough (`| head`).
  if (error.code === 'EPIPE') process.exit(ExitCode.ok)
  throw error
})

const json = process.argv.includes('--json')
try {
  await buildProgram().parseAsync(process.argv)
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? ExitCode.ok : ExitCode.usage
  else reportFailure(error, json)
}
