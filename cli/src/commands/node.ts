/** `node` and `inspect`: the node program as a process of its own, with this one's terminal, signals and exit code. */
import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import type { Command } from 'commander'
import { nodeCommand } from '../cluster/program.ts'

export function addNodeCommands(program: Command): void {
  program
    .command('node')
    .description('run one node; its flags stand in docs/reference')
    .allowUnknownOption()
    .helpOption(false)
    .argument('[flags...]')
    .action((_flags: string[], _options: unknown, command: Command) => run(command.args))
  program
    .command('inspect')
    .description('look into a data directory of a node that does not run: identity, epoch, log, digests; changes nothing')
    .allowUnknownOption()
    .helpOption(false)
    .argument('[arguments...]')
    .action((_arguments: string[], _options: unknown, command: Command) => run(['inspect', ...command.args]))
}

async function run(args: readonly string[]): Promise<void> {
  const [program, ...first] = nodeCommand() as [string, ...string[]]
  const child = spawn(program, [...first, ...args], { stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal))
  process.exitCode = await new Promise<number>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])))
  })
}
