import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MAX_FRAME_BYTES } from '@thermocline/protocol'
import { divideMemory } from './memory-budget.ts'

const MIB = 1024 ** 2

test('a version cache of the asked size is taken from what the other parts share', () => {
  const own = divideMemory(768 * MIB)
  const asked = divideMemory(768 * MIB, 200 * MIB)
  assert.equal(asked.versionCacheBytes, 200 * MIB)
  assert.ok(asked.memtableBytes < own.memtableBytes && asked.blockCacheBytes < own.blockCacheBytes)
  const sum =
    2 * asked.memtableBytes +
    asked.blockCacheBytes +
    asked.versionCacheBytes +
    asked.writeQueueBytes +
    asked.readQueueBytes +
    asked.garbageBytes
  assert.ok(sum < 768 * MIB, `${sum} bytes are given away`)
})

test('garbage has a share of a small node, and a bound in a large one', () => {
  assert.ok(divideMemory(256 * MIB).garbageBytes < 16 * MIB)
  assert.equal(divideMemory(4096 * MIB).garbageBytes, 64 * MIB)
})

test('what connections may take comes out of the memory, and the largest frame fits into the smallest node', () => {
  const small = divideMemory(512 * MIB)
  const { unfinishedBytes, untakenBytes } = small.traffic
  const parts =
    2 * small.memtableBytes +
    small.blockCacheBytes +
    small.versionCacheBytes +
    small.writeQueueBytes +
    small.readQueueBytes +
    small.garbageBytes
  assert.ok(parts + unfinishedBytes + untakenBytes < (512 - 96) * MIB)
  assert.ok(divideMemory(128 * MIB).traffic.unfinishedBytes > MAX_FRAME_BYTES)
  assert.ok(divideMemory(512 * MIB).traffic.connections > 8000)
  assert.ok(divideMemory(2 ** 40).traffic.connections <= 32_768)
})
