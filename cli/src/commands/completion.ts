/** `completion`: a script for the shell, written from the commands there are. */
import { ThermoclineError } from '@thermocline/protocol'
import type { Command } from 'commander'
import { printLine } from '../report.ts'

export function addCompletion(program: Command): void {
  program
    .command('completion')
    .description('print a completion script for bash, zsh or fish')
    .argument('<shell>', 'bash, zsh or fish')
    .addHelpText(
      'after',
      `
  bash:  source <(thermocline completion bash)
  zsh:   source <(thermocline completion zsh)
  fish:  thermocline completion fish | source`,
    )
    .action((shell: string) => printLine(completionScript(program, shell)))
}

/** @throws ThermoclineError `invalid_argument` for a shell that is not known. */
export function completionScript(program: Command, shell: string): string {
  const commands = program.commands.map((command) => ({
    name: command.name(),
    about: command.description(),
    options: command.options.map((option) => ({ flag: option.long ?? '', about: option.description })).filter(({ flag }) => flag !== ''),
  }))
  const names = commands.map(({ name }) => name).join(' ')
  if (shell === 'fish') {
    const lines = commands.flatMap(({ name, about, options }) => [
      `complete -c thermocline -f -n __fish_use_subcommand -a ${name} -d ${quote(about)}`,
      ...options.map(
        ({ flag, about: what }) => `complete -c thermocline -n '__fish_seen_subcommand_from ${name}' -l ${flag.slice(2)} -d ${quote(what)}`,
      ),
    ])
    return lines.join('\n')
  }
  const cases = commands.map(({ name, options }) => `    ${name}) words="${options.map(({ flag }) => flag).join(' ')}" ;;`).join('\n')
  const bash = `_thermocline() {
  local word="\${COMP_WORDS[COMP_CWORD]}" words=""
  if [ "$COMP_CWORD" -eq 1 ]; then words="${names}"; else case "\${COMP_WORDS[1]}" in
${cases}
  esac; fi
  COMPREPLY=($(compgen -W "$words" -- "$word"))
  if [ \${#COMPREPLY[@]} -eq 0 ]; then COMPREPLY=($(compgen -f -- "$word")); fi
}
complete -F _thermocline thermocline`
  if (shell === 'bash') return bash
  if (shell === 'zsh') return `autoload -U +X bashcompinit && bashcompinit\n${bash}`
  throw new ThermoclineError('invalid_argument', `completion: ${JSON.stringify(shell)} is not bash, zsh or fish`)
}

const quote = (text: string): string => `'${text.replaceAll("'", '’')}'`
