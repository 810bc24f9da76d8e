/** Flags of `make bench`, and those that the other programs of this folder share with it. */
import { parseArgs } from 'node:util'

export interface CommonOptions {
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

export type Options = CommonOptions

export interface Defaults {
  readonly out: string
  readonly folder: string
  /** Seconds measured per run, if not `--quick`'s or the usual ones. */
  readonly quickSeconds?: number
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
export function parseOptions(args: readonly string[], defaults: Defaults): Options {
  return parseWith(args, defaults, []).common
}

/** With flags of one's own, each with a value. @throws Error */
export function parseWith<K extends string>(
  args: readonly string[],
  { out, folder, quickSeconds = 2 }: Defaults,
  names: readonly K[],
): { readonly common: CommonOptions; readonly own: Readonly<Partial<Record<K, string>>> } {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      json: { type: 'boolean', default: false },
      out: { type: 'string', default: out },
      compare: { type: 'string' },
      folder: { type: 'string', default: folder },
      ...Object.fromEntries(names.map((name) => [name, { type: 'string' as const }])),
    },
  })
  const common = {
    rounds: positive('--rounds', values.rounds ?? (values.quick ? '1' : '3'), Number.isInteger),
    seconds: positive('--seconds', values.seconds ?? (values.quick ? String(quickSeconds) : '4'), Number.isFinite),
    isQuick: values.quick,
    only: values.only === undefined ? undefined : new RegExp(values.only),
    isJson: values.json,
    out: values.out,
    compare: values.compare,
    folder: values.folder,
  }
  return { common, own: values as Readonly<Partial<Record<K, string>>> }
}

export function positive(flag: string, text: string, isOfKind: (value: number) => boolean): number {
  const value = Number(text)
  if (!isOfKind(value) || value <= 0) throw new Error(`${flag}: ${text} is not a number above 0`)
  return value
}
