/** `node` and `inspect`: the node program as a process of its own, with this one's terminal, signals and exit code. */
import type { Command } from 'commander'
import { nodeCommand } from '../cluster/program.ts'
import { runProgram } from './run-program.ts'

export function addNodeCommands(program: Command): void {
  program
    .command('node')
    .description('run one node; its flags stand in docs/reference')
    .allowUnknownOption()
    .helpOption(false)
    .argument('[flags...]')
    .action((_flags: string[], _options: unknown, command: Command) => runProgram(nodeCommand(), command.args))
  program
    .command('inspect')
    .description('look into a data directory of a node that does not run: identity, epoch, log, digests; changes nothing')
    .allowUnknownOption()
    .helpOption(false)
    .argument('[arguments...]')
    .action((_arguments: string[], _options: unknown, command: Command) => runProgram(nodeCommand(), ['inspect', ...command.args]))
}
