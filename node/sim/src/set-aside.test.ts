/** A block whose content is wrong on one replica, or that cannot be applied at all: it is set aside, and nothing else stops. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { blockOf, ERRORS, encodeSeries } from '@thermocline/protocol'
import type { Engine } from '../../src/engine/mod.ts'
import { bestOf, Group, REPLICAS, SERIES } from './group.fixture.ts'

const SERIES_HIT = SERIES[3] as string
const BLOCK = blockOf(encodeSeries(SERIES_HIT))
/** Of an item in a batch of entries: block, index, value id, wish for answers, length (node/src/engine/port.ts). */
const ITEM_HEAD_BYTES = 2 + 6 + 28 + 1 + 4

/** Flips a bit of every entry of the block from `from` on as it is applied, on these replicas. */
function flipping(replicas: readonly number[], from: number): (engine: Engine, replica: number) => Engine {
  return (engine, replica) => {
    if (!replicas.includes(replica)) return engine
    return new Proxy(engine, {
      get(target, name) {
        if (name === 'apply')
          return (batch: Uint8Array, length: number, answers: Uint8Array) => target.apply(flipped(batch, length, from), length, answers)
        const value: unknown = Reflect.get(target, name)
        return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value
      },
    })
  }
}

function flipped(batch: Uint8Array, length: number, from: number): Uint8Array {
  const bytes = batch.slice(0, length)
  const view = new DataView(bytes.buffer)
  let at = 4
  for (let left = view.getUint32(0, true); left > 0; left--) {
    const entryBytes = view.getUint32(at + ITEM_HEAD_BYTES - 4, true)
    const last = at + ITEM_HEAD_BYTES + entryBytes - 1
    if (view.getUint16(at, true) === BLOCK && view.getUint32(at + 2, true) >= from) bytes[last] = (bytes[last] as number) ^ 1
    at = last + 1
  }
  return bytes
}

const digests = (group: Group): string[] => Array.from({ length: REPLICAS }, (_, replica) => group.replica(replica).digest(BLOCK))

async function writeAll(group: Group, times: number): Promise<void> {
  for (let round = 0; round < times; round++) {
    for (const series of SERIES) group.write(series, () => {})
    await group.run(50)
  }
}

test('a replica that cannot apply an entry sets the block aside, copies it, and votes in it again', async () => {
  const other = (bestOf(SERIES_HIT) + 1) % REPLICAS
  let isFlipping = true
  const group = new Group((engine, replica) => {
    const wrapped = flipping([other], 3)(engine, replica)
    return new Proxy(engine, {
      get(target, name) {
        const from = isFlipping ? wrapped : target
        const value: unknown = Reflect.get(from, name)
        return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(from) : value
      },
    })
  })
  await group.start(1)
  await writeAll(group, 4)
  assert.ok(group.replica(other).counters.setAside >= 1)
  assert.equal(group.replica(other).core.votes.has(BLOCK), false)
  assert.equal(group.replica(other).core.votes.size, 65_535, 'in all other blocks it votes')
  isFlipping = false
  await group.run(3000)
  assert.equal(group.replica(other).core.votes.isFull, true)
  assert.equal(group.replica(other).core.block(BLOCK).isSetAside, false)
  await writeAll(group, 2)
  await group.run(500)
  assert.equal(new Set(digests(group)).size, 1)
})

test('a block stays set aside over a crash, and comes back all the same', async () => {
  const other = (bestOf(SERIES_HIT) + 1) % REPLICAS
  let isFlipping = true
  const group = new Group((engine, replica) => {
    const wrapped = flipping([other], 3)(engine, replica)
    return isFlipping ? wrapped : engine
  })
  await group.start(1)
  await writeAll(group, 4)
  assert.equal(group.replica(other).core.votes.has(BLOCK), false)
  isFlipping = false
  group.cluster.crash(other)
  void group.cluster.start(other)
  await group.run(100)
  await group.run(3000)
  assert.equal(group.replica(other).core.votes.isFull, true)
  assert.equal(new Set(digests(group)).size, 1)
})

test('an entry that no replica can apply ends its block alone, and says so after every restart', async () => {
  const group = new Group(flipping([0, 1, 2], 3))
  await group.start(1)
  await writeAll(group, 4)
  for (let replica = 0; replica < REPLICAS; replica++) assert.equal(group.replica(replica).core.votes.has(BLOCK), false)
  for (let replica = 0; replica < REPLICAS; replica++) {
    group.cluster.crash(replica)
    void group.cluster.start(replica)
  }
  await group.run(3000)
  for (let replica = 0; replica < REPLICAS; replica++) {
    assert.equal(group.replica(replica).core.votes.has(BLOCK), false)
    assert.equal(group.replica(replica).core.block(BLOCK).isSetAside, true)
  }
  const answers = new Map<string, number>()
  for (const series of SERIES) group.write(series, (error) => answers.set(series, error))
  await group.run(6000)
  for (const series of SERIES) {
    const isHit = blockOf(encodeSeries(series)) === BLOCK
    assert.equal(answers.get(series), isHit ? ERRORS.unavailable.number : 0, series)
  }
})
