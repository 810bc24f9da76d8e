/** Flags of `make bench`. */
import { parseArgs } from 'node:util'

export interface Options {
  readonly rounds: number
  readonly seconds: number
  readonly isQuick: boolean
  readonly only: RegExp | undefined
  readonly isJson: boolean
  readonly out: string
  readonly compare: string | undefined
  /** Under which the data folders of all systems stand; a disk, not a tmpfs. */
  readonly folder: string
}

export const USAGE = `usage: node bench/src/main.ts [flags]      (make bench ARGS='…' takes the machine-wide lock)
  --rounds N       rounds per workload (3; 1 with --quick)
  --seconds N      seconds measured per run (4; 2 with --quick)
  --quick          only put and get with 128 clients
  --only REGEX     only workloads whose name matches
  --json           print the results as JSON instead of a table
  --out FILE       where the results go (bench/results/latest.json)
  --compare FILE   compare with earlier results; exit code 1 names the rows that got worse
  --folder DIR     where the data of all systems stands while it runs (bench/.cache)`

/** @throws Error, naming the flag and what was expected. */
export function parseOptions(args: readonly string[], defaults: { readonly out: string; readonly folder: string }): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      json: { type: 'boolean', default: false },
      out: { type: 'string', default: defaults.out },
      compare: { type: 'string' },
      folder: { type: 'string', default: defaults.folder },
    },
  })
  return {
    rounds: positive('--rounds', values.rounds ?? (values.quick ? '1' : '3'), Number.isInteger),
    seconds: positive('--seconds', values.seconds ?? (values.quick ? '2' : '4'), Number.isFinite),
    isQuick: values.quick,
    only: values.only === undefined ? undefined : new RegExp(values.only),
    isJson: values.json,
    out: values.out,
    compare: values.compare,
    folder: values.folder,
  }
}

function positive(flag: string, text: string, isOfKind: (value: number) => boolean): number {
  const value = Number(text)
  if (!isOfKind(value) || value <= 0) throw new Error(`${flag}: ${text} is not a number above 0`)
  return value
}
