import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
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

test('a write that fails is told so', () =>
  withFile(async (file) => {
    await file.close()
    assert.match(String(await write(file, new Uint8Array(512), 512)), /EBADF/)
  }))
