/** The files of caches stand in folders where everybody may put something: what is not this user's own alone is not used. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { openEngine } from '../engine/mod.ts'
import { Tier } from './tier.ts'

const CACHE_BYTES = 32 * 1024 * 1024

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'cache-file-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

const openTier = (path: string): Tier =>
  new Tier({ path, owner: 'o', cacheBytes: CACHE_BYTES, boot: 1, sliceDurationMs: 1000, restoreGeneration: 0 })

const refused = (message: RegExp) => (error: unknown) => {
  assert.equal((error as { code?: string }).code, 'invalid_argument')
  assert.match((error as Error).message, message)
  return true
}

test('a cache’s file is made for this user alone, and used again', (t) => {
  const path = join(folderOf(t), 'pages')
  const before = process.umask(0)
  openTier(path).close()
  process.umask(before)
  const { mode, ino } = statSync(path)
  assert.equal(mode & 0o7777, 0o600)
  openTier(path).close()
  assert.equal(statSync(path).ino, ino)
})

test('links are not followed, and what is no file is not opened', (t) => {
  const folder = folderOf(t)
  const victim = join(folder, 'victim')
  writeFileSync(victim, 'of somebody', { mode: 0o600 })
  symlinkSync(victim, join(folder, 'link'))
  symlinkSync(join(folder, 'nowhere'), join(folder, 'dangling'))
  mkdirSync(join(folder, 'folder'))
  execFileSync('mkfifo', [join(folder, 'pipe')])
  assert.throws(() => openTier(join(folder, 'link')), refused(/link is a symbolic link; expected a file of this user: remove it/))
  assert.throws(() => openTier(join(folder, 'dangling')), refused(/is a symbolic link/))
  assert.throws(() => openTier(join(folder, 'folder')), refused(/is no regular file/))
  assert.throws(() => openTier(join(folder, 'pipe')), refused(/is no regular file/))
  assert.equal(readFileSync(victim, 'utf8'), 'of somebody')
  assert.throws(() => lstatSync(join(folder, 'nowhere')))

  const versions = { sliceDurationMs: 1000, versionCachePath: join(folder, 'link'), versionCacheBytes: 1024 * 1024, incarnation: 'a' }
  assert.throws(() => openEngine({ ...versions, memtableBytes: 1024 * 1024, blockCacheBytes: 1024 * 1024 }), refused(/is a symbolic link/))
})

test('a file that others can write, or that has another name, is replaced by an empty one', (t) => {
  const folder = folderOf(t)
  const path = join(folder, 'pages')
  openTier(path).close()
  chmodSync(path, 0o660)
  const { ino } = statSync(path)
  linkSync(path, join(folder, 'kept'))
  openTier(path).close()
  const replaced = statSync(path)
  assert.notEqual(replaced.ino, ino)
  assert.equal(replaced.mode & 0o7777, 0o600)
  linkSync(path, join(folder, 'other-name'))
  openTier(path).close()
  assert.notEqual(statSync(path).ino, replaced.ino)
})

test('a file of another user is refused', { skip: process.getuid?.() === 0 ? false : 'only root can make one' }, (t) => {
  const path = join(folderOf(t), 'pages')
  writeFileSync(path, '', { mode: 0o600 })
  chownSync(path, 12345, 12345)
  assert.throws(() => openTier(path), refused(/belongs to user 12345, and this process is user 0/))
})
