import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { readTokenFile } from './token-file.ts'

function fileWith(t: TestContext, content: string, mode: number): string {
  const folder = mkdtempSync(join(tmpdir(), 'token-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'token')
  writeFileSync(path, content)
  chmodSync(path, mode)
  return path
}

function refuses(read: () => string, message: RegExp): void {
  assert.throws(read, (error) => (error as { code?: string }).code === 'invalid_argument' && message.test((error as Error).message))
}

test('a token that only its owner can read is taken, through a link too', (t) => {
  const path = fileWith(t, 'abc123\n', 0o600)
  assert.equal(readTokenFile(path), 'abc123')
  symlinkSync(path, `${path}.link`)
  assert.equal(readTokenFile(`${path}.link`), 'abc123')
  chmodSync(path, 0o400)
  assert.equal(readTokenFile(path), 'abc123')
})

test('a token that others can read or change is refused, with the mode and what was expected', (t) => {
  for (const mode of [0o640, 0o644, 0o604, 0o620, 0o601, 0o660])
    refuses(() => readTokenFile(fileWith(t, 'abc', mode)), new RegExp(`has mode 0${mode.toString(8)}, .*expected 0600: chmod it$`))
})

test('one that root has made for the group is taken, one that all can read is not', { skip: process.getuid?.() !== 0 }, (t) => {
  const nobody = 65_534
  assert.equal(readTokenFile(fileWith(t, 'abc', 0o440), nobody), 'abc')
  refuses(() => readTokenFile(fileWith(t, 'abc', 0o444), nobody), /has mode 0444, .*or 0640 as it is root’s/)
})

test('what is no token is refused', (t) => {
  const path = fileWith(t, 'abc', 0o600)
  refuses(() => readTokenFile(`${path}.missing`), /--token-file: .*cannot be read/)
  refuses(() => readTokenFile(join(path, '..')), /is no regular file/)
  refuses(() => readTokenFile(fileWith(t, '\n', 0o600)), /holds no token/)
  refuses(() => readTokenFile(fileWith(t, 'two words', 0o600)), /holds no token/)
  refuses(() => readTokenFile(fileWith(t, 'x'.repeat(5000), 0o600)), /is longer than 4096 bytes/)
  if (statSync(path).uid !== 0) return
  refuses(() => readTokenFile(path, 12_345) && readTokenFile('/dev/null'), /regular file/)
})
