/**
 * Every script in testdata is run and its output compared. After a change that is meant, `UPDATE=1` rewrites the
 * expected output; read the difference before you commit it.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Conversation } from './conversation.ts'

const FOLDER = join(import.meta.dirname, 'testdata')

/** Commands start at column 0, comments with #; indented lines are what the command above printed. */
function replay(script: string): string {
  const conversation = new Conversation()
  const out: string[] = []
  for (const line of script.split('\n')) {
    if (line.startsWith('  ')) continue
    out.push(line)
    if (line !== '' && !line.startsWith('#')) out.push(...conversation.run(line))
  }
  return out.join('\n')
}

for (const name of readdirSync(FOLDER).filter((file) => file.endsWith('.txt'))) {
  test(`conversation ${name}`, () => {
    const path = join(FOLDER, name)
    const expected = readFileSync(path, 'utf8')
    const actual = replay(expected)
    if (process.env.UPDATE === '1') writeFileSync(path, actual)
    else assert.equal(actual, expected)
  })
}
