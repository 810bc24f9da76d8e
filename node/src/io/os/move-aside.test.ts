import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { moveAside } from './move-aside.ts'

test('a folder is moved beside itself by its owner’s name, with all that is in it, and never over another', async (t) => {
  const volume = mkdtempSync(join(tmpdir(), 'thermocline-aside-'))
  t.after(() => rmSync(volume, { recursive: true, force: true }))
  const path = join(volume, 'node')
  const owner = { clusterId: 'ab', group: 1, replica: 2 }
  for (const [content, given, wanted] of [
    ['one', owner, 'node.foreign-ab-g1-r2'],
    ['two', owner, 'node.foreign-ab-g1-r2-1'],
    ['three', undefined, 'node.foreign-unknown'],
  ] as const) {
    mkdirSync(path)
    writeFileSync(join(path, 'volume.json'), content)
    const aside = await moveAside(path, given)
    assert.equal(aside, join(volume, wanted))
    assert.equal(readFileSync(join(aside, 'volume.json'), 'utf8'), content)
  }
  await assert.rejects(moveAside(path, owner), { code: 'unavailable', message: /could not be moved aside: .*; move it by hand/ })
})
