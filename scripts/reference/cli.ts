/** The page on the command line, from commander's own help. */
import type { Command } from 'commander'
import { buildProgram } from '../../cli/src/program.ts'
import { page } from './markdown.ts'

const HELP_WIDTH = 100

function sections(command: Command, name: string): string[] {
  command.configureHelp({ helpWidth: HELP_WIDTH })
  const help = command.helpInformation().trimEnd()
  const own = `## ${name}\n\n\`\`\`text\n${help}\n\`\`\``
  const below = command.commands.filter((one) => one.name() !== 'help').flatMap((one) => sections(one, `${name} ${one.name()}`))
  return [own, ...below]
}

export function cliPage(): string {
  return page(
    'Command line',
    'the commands in [cli/src/commands](../../cli/src/commands)',
    'What `thermocline help COMMAND` prints.',
    ...sections(buildProgram(), 'thermocline'),
  )
}
