import assert from 'node:assert/strict'
import { test } from 'node:test'
import { results, rounds } from './fixtures.ts'
import { formatMarkdown, formatResults } from './report.ts'

const some = results(...rounds([10_000, 50], [11_000, 52], [10_500, 51]))

test('the terminal table aligns its columns and says what ran', () => {
  const lines = formatResults(some).split('\n')
  assert.match(lines[1] ?? '', /thermocline 1, etcd 3; three replicas each; 3 rounds of 1 s/)
  const [heading, row] = lines.slice(4, 6) as [string, string]
  assert.equal(heading.length, row.length)
  assert.match(row, /^put, 128 clients\s+10,500\s+1\.00\s+2\.00\s+51\.0\s+5,000.*2\.10 \(2\.00–2\.20\)\s+1\.00\s+0\.26 \(0\.25–0\.26\)$/)
})

test('the Markdown table has a cell per heading', () => {
  const [heading, rule, row] = formatMarkdown(some).split('\n') as [string, string, string]
  const cells = (line: string) => line.split('|').length
  assert.equal(cells(rule), cells(heading))
  assert.equal(cells(row), cells(heading))
})
