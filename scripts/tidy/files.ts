/** Rules about single files: size, name, header, words, place. */
import { basename, dirname } from 'node:path/posix'
import { codeOf, type Finding, isTest, lineOf, type SourceFile } from './tree.ts'

const MAX_LINES = 600
export const LONG_LINES = 400
/** From this length on a source file says at its top what it is. */
const HEADER_FROM_LINES = 80

/** Where output to the terminal is the point. */
const SPEAKERS = /^(?:cli|bench|e2e|scripts|node\/(?:sim|fuzz)|client\/scripts)\//

const linesOf = (text: string): number => text.split('\n').length - 1
const isSource = (path: string): boolean => /\.(?:ts|cc|h)$/.test(path)

type Rule = (file: SourceFile) => Finding[]

const size: Rule = ({ path, text }) => {
  if (!isSource(path) || linesOf(text) <= MAX_LINES) return []
  return [{ place: path, what: `${linesOf(text)} lines; at most ${MAX_LINES}`, fix: 'split it: one thing per file, named after it' }]
}

const fileName: Rule = ({ path }) => {
  if (!/(?:^|[-_./])(?:utils?|helpers?|manager|master|misc|common)(?:[-_.]|$)/i.test(basename(path))) return []
  return [{ place: path, what: 'the name says nothing', fix: 'name it after the one thing it does, in the words of docs/glossary.md' }]
}

const header: Rule = ({ path, text }) => {
  if (!path.endsWith('.ts') || isTest(path) || linesOf(text) < HEADER_FROM_LINES) return []
  if (/^(?:#![^\n]*\n)?\/(?:\*\*|\/)/.test(text)) return []
  return [{ place: path, what: 'has no header', fix: 'begin with /** … */: the problem, the idea, the invariants, the source' }]
}

const testPlace: Rule = ({ path }) => {
  if (!path.endsWith('.test.ts') || !/(?:^|\/)(?:__tests__|tests?)(?:\/|$)/.test(dirname(path))) return []
  return [{ place: path, what: 'stands in a folder of tests', fix: 'put it beside what it tests' }]
}

/** What must not stand in the code (comments and strings left out, where `inCode`). */
interface Word {
  readonly pattern: RegExp
  readonly where: RegExp
  readonly inCode: boolean
  readonly what: string
  readonly fix: string
}

const WORDS: readonly Word[] = [
  {
    pattern: /\bTO[D]O\b|\bFIX[M]E\b|\bX[X]X\b/g,
    where: /\.(?:ts|cc|h|sh|go|md)$/,
    inCode: false,
    what: 'a note to oneself',
    fix: 'do it, or open an issue and leave the note out',
  },
  { pattern: /\bexport default\b/g, where: /\.ts$/, inCode: true, what: 'a default export', fix: 'export it by name' },
  {
    pattern: /\b(?:test|it|describe|suite)\.(?:only|skip|todo)\b/g,
    where: /\.ts$/,
    inCode: true,
    what: 'a test that is left out, or leaves others out',
    fix: 'run it or delete it; skip by a condition with a reason, { skip: reason }',
  },
  {
    pattern: /\bconsole\.\w+/g,
    where: /^(?!client\/(?:README|API)).*\.ts$/,
    inCode: true,
    what: 'console',
    fix: 'log through the logger that is handed in; only cli, bench, e2e, scripts, simulator and fuzzers speak to a terminal',
  },
  {
    pattern: /\/(?:work|root)\/\w|\.\.\/shared\//g,
    // What CI runs knows the machine it runs on.
    where: /^(?!\.ci\/)/,
    inCode: false,
    what: 'a path of somebody’s machine',
    fix: 'make it relative to the repository, or a flag',
  },
]

const words: Rule = ({ path, text }) =>
  WORDS.filter(({ where, what }) => where.test(path) && !(what === 'console' && SPEAKERS.test(path))).flatMap(
    ({ pattern, inCode, what, fix }) =>
      [...(inCode ? codeOf(text) : text).matchAll(pattern)].map(({ index, 0: found }) => ({
        place: `${path}:${lineOf(text, index)}`,
        what: `${what}: ${found}`,
        fix,
      })),
  )

const lockFile: Rule = ({ path, text }) => {
  if (basename(path) !== 'package-lock.json') return []
  const at = text.search(/"resolved": "https?:/)
  if (at === -1) return []
  return [
    {
      place: `${path}:${lineOf(text, at)}`,
      what: 'names the host of a registry',
      fix: 'npm install with the .npmrc of this repository writes it without',
    },
  ]
}

export function checkFile(file: SourceFile): Finding[] {
  return [size, fileName, header, testPlace, words, lockFile].flatMap((rule) => rule(file))
}

/** Files that are long but allowed, longest first. */
export function longFiles(files: readonly SourceFile[]): string[] {
  return files
    .map(({ path, text }) => ({ path, lines: linesOf(text) }))
    .filter(({ path, lines }) => isSource(path) && lines > LONG_LINES)
    .sort((a, b) => b.lines - a.lines)
    .map(({ path, lines }) => `${path} (${lines})`)
}
