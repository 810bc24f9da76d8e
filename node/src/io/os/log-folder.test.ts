import assert from 'node:assert/strict'
import { closeSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { native } from '@thermocline/native'
import type { LogFile } from '../ports.ts'
import { OsLogFolder } from './log-folder.ts'

const FILE_BYTES = 1024 * 1024

function write(file: LogFile, bytes: Uint8Array, offset: number): Promise<Error | undefined> {
  return new Promise((resolve) => file.write(bytes, offset, resolve))
}

async function withFile(use: (file: LogFile, path: string) => Promise<void>): Promise<void> {
  const path = mkdtempSync(join(tmpdir(), 'thermocline-log-folder-'))
  try {
    const file = await new OsLogFolder(path).create('000001.log', FILE_BYTES)
    await use(file, join(path, '000001.log'))
  } finally {
    rmSync(path, { recursive: true })
  }
}

test('a write is in the file when it is done, and what is read follows it', () =>
  withFile(async (file, path) => {
    for (const [offset, length] of [
      [512, 512],
      [1024, 65_536],
      [512, 1536],
    ] as const) {
      const before = await file.read(offset, length)
      const bytes = new Uint8Array(length).fill(before[0] === 7 ? 8 : 7)
      assert.equal(await write(file, bytes, offset), undefined)
      assert.deepEqual(await file.read(offset, length), bytes)
      assert.deepEqual(new Uint8Array(readFileSync(path)).subarray(offset, offset + length), bytes)
    }
    await file.close()
  }))

test('a write past the page cache by a thread is durable and told like one without', () =>
  withFile(async (file, path) => {
    const fd = native.openDirect(path)
    if (fd >= 0) {
      const write = (to: number, bytes: Uint8Array): Promise<number> =>
        new Promise((resolve) => {
          assert.equal(native.writeDirect(to, bytes, 1024, resolve, true), 0)
        })
      for (const byte of [1, 2, 3]) {
        const bytes = new Uint8Array(1024).fill(byte)
        assert.equal(await write(fd, bytes), bytes.length)
        assert.deepEqual(await file.read(1024, 1024), bytes)
      }
      closeSync(fd)
      assert.equal(await write(fd, new Uint8Array(512)), -constants.errno.EBADF)
    }
    await file.close()
  }))

test('a write that fails is told so', () =>
  withFile(async (file) => {
    await file.close()
    assert.match(String(await write(file, new Uint8Array(512), 512)), /EBADF/)
  }))
