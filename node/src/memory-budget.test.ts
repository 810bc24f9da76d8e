import assert from 'node:assert/strict'
import { test } from 'node:test'
import { divideMemory } from './memory-budget.ts'

const MIB = 1024 ** 2

test('a version cache of the asked size is taken from what the other parts share', () => {
  const own = divideMemory(768 * MIB)
  const asked = divideMemory(768 * MIB, 200 * MIB)
  assert.equal(asked.versionCacheBytes, 200 * MIB)
  assert.ok(asked.memtableBytes < own.memtableBytes && asked.blockCacheBytes < own.blockCacheBytes)
  const sum = 2 * asked.memtableBytes + asked.blockCacheBytes + asked.versionCacheBytes + asked.queueBytes + asked.garbageBytes
  assert.ok(sum < 768 * MIB, `${sum} bytes are given away`)
})

test('garbage has a share of a small node, and a bound in a large one', () => {
  assert.ok(divideMemory(256 * MIB).garbageBytes < 16 * MIB)
  assert.equal(divideMemory(4096 * MIB).garbageBytes, 64 * MIB)
})
