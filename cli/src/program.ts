/** The commands of `thermocline`, put together. */
import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { addBench } from './commands/bench.ts'
import { addClusterCommands } from './commands/cluster.ts'
import { addCompletion } from './commands/completion.ts'
import { addImport } from './commands/import.ts'
import { addNodeCommands } from './commands/node.ts'
import { addOperator } from './commands/operator.ts'
import { addRecordCommands } from './commands/records.ts'
import { addSupportBundle } from './commands/support-bundle.ts'
import { addUp } from './commands/up.ts'
import { EXIT_CODES_HELP } from './exit-codes.ts'

export function buildProgram(): Command {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
  const program = new Command('thermocline')
    .description('A strongly consistent, hot/cold tiered store for time-ordered records.')
    .version(version)
    .showHelpAfterError('(add --help to see what there is)')
    .showSuggestionAfterError()
    .enablePositionalOptions()
    .addHelpText('after', EXIT_CODES_HELP)
    .exitOverride()
  addUp(program)
  addRecordCommands(program)
  addImport(program)
  addBench(program)
  addClusterCommands(program)
  addNodeCommands(program)
  addOperator(program)
  addSupportBundle(program)
  addCompletion(program)
  return program
}
