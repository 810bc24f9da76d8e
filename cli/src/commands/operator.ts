/** `operator`: the Kubernetes operator as a process of its own. */
import type { Command } from 'commander'
import { operatorCommand } from '../cluster/program.ts'
import { runProgram } from './run-program.ts'

export function addOperator(program: Command): void {
  program
    .command('operator')
    .description('look after PaxosGroups and MemoryGroups in Kubernetes; its flags stand in operator/README.md, and the chart sets them')
    .allowUnknownOption()
    .helpOption(false)
    .argument('[flags...]')
    .action((_flags: string[], _options: unknown, command: Command) => runProgram(operatorCommand(), command.args))
}
