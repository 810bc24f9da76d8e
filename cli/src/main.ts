/** The `thermocline` program. */
import { CommanderError } from 'commander'
import { ExitCode } from './exit-codes.ts'
import { buildProgram } from './program.ts'
import { reportFailure } from './report.ts'

let isUnread = false
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  // Whoever read the output has seen enough (`| head`). A command that has something to end listens to SIGTERM.
  if (process.listenerCount('SIGTERM') === 0) process.exit(ExitCode.ok)
  if (!isUnread) process.kill(process.pid, 'SIGTERM')
  isUnread = true
})

const json = process.argv.includes('--json')
try {
  await buildProgram().parseAsync(process.argv)
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? ExitCode.ok : ExitCode.usage
  else reportFailure(error, json)
}
