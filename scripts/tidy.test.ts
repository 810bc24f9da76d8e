/** The house rules, as a test. What they are for stands in CONTRIBUTING.md; each finding says how to mend it. */
import { test } from 'node:test'
import { checkClockAndChance } from './tidy/clock-and-chance.ts'
import { checkFile, LONG_LINES, longFiles } from './tidy/files.ts'
import { checkImports } from './tidy/imports.ts'
import { checkLinks } from './tidy/links.ts'
import { checkLogFields } from './tidy/log-fields.ts'
import { existsInTree, type Finding, readTree } from './tidy/tree.ts'

const files = readTree()

function assertClean(findings: readonly Finding[], note = ''): void {
  if (findings.length === 0) return
  const lines = findings.map(({ place, what, fix }) => `  ${place}: ${what}\n      → ${fix}`)
  const error = new Error(
    `${findings.length} ${findings.length === 1 ? 'place breaks' : 'places break'} a house rule\n${lines.join('\n')}${note}`,
  )
  // Where the rule is checked tells nothing.
  error.stack = error.message
  throw error
}

test('imports follow the table', () => assertClean(checkImports(files)))

test('nodes and clients are handed in clock and chance', () => assertClean(checkClockAndChance(files)))

test('files are of a size to read, well named, with a header, and without what does not belong', () => {
  const long = longFiles(files)
  assertClean(files.flatMap(checkFile), long.length === 0 ? '' : `\n  (over ${LONG_LINES} lines, to explain or split: ${long.join(', ')})`)
})

test('links between pages lead somewhere', () => assertClean(checkLinks(files, existsInTree)))

test('fields of log lines are those of the table', () => assertClean(checkLogFields(files)))
