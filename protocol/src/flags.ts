/** Flags of a program that runs for long: `--name value`, else an environment variable, else a default; and its `--help`. */
import { parseArgs } from 'node:util'
import type { z } from 'zod'
import { ThermoclineError } from './errors.ts'

export interface Flag {
  readonly env: string
  readonly fallback: string | undefined
  /** For people: what it is, and in which units. */
  readonly about: string
}

export type Flags = Readonly<Record<string, Flag>>

/**
 * `revise` may replace what was given before it is checked.
 * @throws ThermoclineError `invalid_argument`, naming the flag, its value and what was expected.
 */
export function readFlags<T>(
  program: string,
  flags: Flags,
  schema: z.ZodType<T>,
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  revise: (given: Record<string, unknown>) => void = () => {},
): T {
  const options = Object.fromEntries(Object.keys(flags).map((name) => [name, { type: 'string' as const }]))
  let values: Record<string, string | undefined>
  try {
    values = parseArgs({ args: [...args], options, strict: true }).values
  } catch (error) {
    const all = Object.keys(flags).map((name) => `--${name}`)
    throw new ThermoclineError('invalid_argument', `${(error as Error).message}; flags of ${program}: ${all.join(' ')} --help`)
  }
  const given: Record<string, unknown> = {}
  for (const [name, flag] of Object.entries(flags)) given[name] = values[name] ?? env[flag.env] ?? flag.fallback
  revise(given)
  const parsed = schema.safeParse(given)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const name = String(issue?.path[0])
  const value = given[name] === undefined ? '' : `${JSON.stringify(given[name])}: `
  throw new ThermoclineError('invalid_argument', `--${name}: ${value}${issue?.message ?? 'is not valid'}`)
}

const WIDTH = 100

/** What `--help` prints: every flag with its default and environment variable. */
export function formatFlags(program: string, flags: Flags): string {
  const lines = Object.entries(flags).flatMap(([name, { env, fallback, about }]) => [
    `  --${name} <value>`,
    ...wrap(`${about}${fallback === undefined || fallback === '' ? '' : ` Default: ${fallback}.`} [${env}]`, WIDTH - 6).map(
      (line) => `      ${line}`,
    ),
  ])
  return `usage: ${program} [--flag value]…\n\nA flag wins over its environment variable, which wins over the default.\n\n${lines.join('\n')}\n`
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line]
}
