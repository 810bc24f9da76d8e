/** The bundle's table of contents: what it has, what it lacks and why, for programs and for people. Pure. */
import { TOLD_FAILURES } from './bounds.ts'
import type { Entry } from './ports.ts'

export const INDEX_FORMAT_VERSION = 1

export interface Summary {
  /** The version of the program that made the bundle. */
  readonly thermocline: string
  readonly madeAt: string
  readonly tookMs: number
  /** Where it was collected from: a context of a kubeconfig, nodes, a folder. */
  readonly from: string
}

const isThere = ({ state }: Entry): boolean => state === 'collected' || state === 'partial'

/** Whether anything is there that helps: the versions of this machine and of the API server alone do not. */
export const helps = (entries: readonly Entry[]): boolean => entries.some((entry) => isThere(entry) && !entry.isContext)

export function counts(entries: readonly Entry[]) {
  const of = (state: Entry['state']) => entries.filter((entry) => entry.state === state).length
  return { collected: of('collected') + of('partial'), partial: of('partial'), failed: of('failed'), leftOut: of('left-out') }
}

/** What could not be had, or not whole. */
export const shortcomings = (entries: readonly Entry[]): Entry[] => entries.filter(({ state }) => state !== 'collected')

const sorted = (entries: readonly Entry[]): Entry[] => entries.toSorted((a, b) => (a.path < b.path ? -1 : 1))

export function indexJson(summary: Summary, entries: readonly Entry[]): string {
  const document = { formatVersion: INDEX_FORMAT_VERSION, ...summary, ...counts(entries), entries: sorted(entries) }
  return `${JSON.stringify(document, undefined, 2)}\n`
}

const lineOf = ({ path, state, source, reason }: Entry): string =>
  `${state.padEnd(9)}  ${path}\n           ${source}${reason === undefined ? '' : `: ${reason}`}`

export function indexText({ thermocline, madeAt, tookMs, from }: Summary, entries: readonly Entry[]): string {
  const missing = sorted(shortcomings(entries))
  const there = sorted(entries.filter(isThere))
  const { collected, failed, leftOut } = counts(entries)
  return [
    `Support bundle of Thermocline, made ${madeAt} in ${(tookMs / 1000).toFixed(1)} s by version ${thermocline}, from ${from}.`,
    'Secrets were not asked for, and what looks like one is left out. Look through it all the same before you hand it on.',
    '',
    `${collected} items, ${failed} that could not be had, ${leftOut} that were not asked for.`,
    '',
    ...(missing.length === 0 ? ['Nothing is missing.'] : ['Missing, or not whole:', '', ...missing.map(lineOf)]),
    '',
    'There:',
    '',
    ...there.map(({ path, bytes, source }) => `${String(bytes).padStart(10)}  ${path}  (${source})`),
    '',
  ].join('\n')
}

/** The first shortcomings, as lines, and how many more there are. */
export function toldShortcomings(entries: readonly Entry[]): string[] {
  const missing = shortcomings(entries)
  const told = missing
    .slice(0, TOLD_FAILURES)
    .map(({ path, state, reason }) => `  ${path}: ${state === 'partial' ? 'in part: ' : ''}${reason ?? state}`)
  return missing.length > told.length ? [...told, `  and ${missing.length - told.length} more; index.txt in the bundle has all`] : told
}
