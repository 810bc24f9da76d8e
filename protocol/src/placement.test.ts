import assert from 'node:assert/strict'
import { test } from 'node:test'
import xxhash from 'xxhash-wasm'
import { BLOCK_COUNT, MAX_GROUPS } from './constants.ts'
import { ownerOf, PlacementGrowth, placementOf, replicaOrder } from './placement.ts'

const REPLICA_COUNTS = [1, 3, 5]

test('for every n a group owns ⌊B/n⌋ or ⌈B/n⌉ blocks, and n → n+1 moves blocks to the new group only', () => {
  const growth = new PlacementGrowth()
  for (let groups = 1; groups <= MAX_GROUPS; groups++) {
    const counts = new Uint32Array(groups)
    for (const group of growth.owner) counts[group] = (counts[group] as number) + 1
    const small = Math.floor(BLOCK_COUNT / groups)
    const large = Math.ceil(BLOCK_COUNT / groups)
    for (const count of counts) if (count !== small && count !== large) assert.fail(`${groups} groups: one owns ${count} blocks`)
    if (groups === MAX_GROUPS) break
    const before = growth.owner.slice()
    const slots = growth.slot.slice()
    growth.grow()
    for (let block = 0; block < BLOCK_COUNT; block++) {
      const owner = growth.owner[block]
      if (owner === groups) continue
      if (owner !== before[block]) assert.fail(`${groups} → ${groups + 1}: block ${block} moved from ${before[block]} to ${owner}`)
      if (growth.slot[block] !== slots[block]) assert.fail(`${groups} → ${groups + 1}: block ${block} stayed and changed its order`)
    }
  }
})

test('for every n, group and rank, the counts of two replicas differ by at most one', () => {
  const growth = new PlacementGrowth()
  const periods = new Map(REPLICA_COUNTS.map((replicas) => [replicas, Math.max(1, replicas * (replicas - 1))]))
  for (let groups = 1; groups <= MAX_GROUPS; groups++) {
    if (groups > 1) growth.grow()
    const bySlot = new Uint32Array(groups * 60)
    for (let block = 0; block < BLOCK_COUNT; block++) {
      const at = (growth.owner[block] as number) * 60 + (growth.slot[block] as number)
      bySlot[at] = (bySlot[at] as number) + 1
    }
    for (const replicas of REPLICA_COUNTS) {
      const period = periods.get(replicas) as number
      const counts = new Uint32Array(replicas * replicas)
      for (let group = 0; group < groups; group++) {
        counts.fill(0)
        for (let row = 0; row < period; row++) {
          let blocks = 0
          for (let slot = row; slot < 60; slot += period) blocks += bySlot[group * 60 + slot] as number
          replicaOrder(row, replicas).forEach((replica, rank) => {
            counts[rank * replicas + replica] = (counts[rank * replicas + replica] as number) + blocks
          })
        }
        for (let rank = 0; rank < replicas; rank++) {
          const ofRank = counts.subarray(rank * replicas, (rank + 1) * replicas)
          if (Math.max(...ofRank) - Math.min(...ofRank) > 1) assert.fail(`${groups} groups: group ${group}, rank ${rank}: ${ofRank}`)
        }
      }
    }
  }
})

test('an order names every replica once, and a lost replica’s blocks fall to the others evenly', () => {
  for (const replicas of REPLICA_COUNTS) {
    const seconds = new Map<string, number>()
    for (let slot = 0; slot < 60; slot++) {
      const order = replicaOrder(slot, replicas)
      assert.deepEqual(
        [...order].sort((a, b) => a - b),
        Array.from({ length: replicas }, (_, index) => index),
      )
      if (replicas > 1) seconds.set(`${order[0]}${order[1]}`, (seconds.get(`${order[0]}${order[1]}`) ?? 0) + 1)
    }
    assert.equal(new Set(seconds.values()).size, replicas > 1 ? 1 : 0)
  }
})

test('the table is what it always was', async () => {
  const { create64 } = await xxhash()
  const hash = create64()
  const growth = new PlacementGrowth()
  for (let groups = 1; groups <= MAX_GROUPS; groups++) {
    if (groups > 1) growth.grow()
    hash.update(new Uint8Array(growth.owner.buffer)).update(growth.slot)
  }
  assert.equal(hash.digest().toString(16), 'def8dcf70fd1047e')
})

test('a placement built for one n equals the one grown to it; out of range is refused', () => {
  const growth = new PlacementGrowth()
  for (let groups = 1; groups <= 100; groups++) {
    if (groups > 1) growth.grow()
    if (groups % 9 === 1) assert.deepEqual(placementOf(groups), { groups, owner: growth.owner.slice(), slot: growth.slot.slice() })
  }
  assert.equal(ownerOf(65_535, 1), 0)
  for (const groups of [0, 1001, 1.5, Number.NaN]) assert.throws(() => placementOf(groups), { code: 'invalid_argument' })
  for (const replicas of [0, 2, 4, 7]) assert.throws(() => replicaOrder(0, replicas), { code: 'invalid_argument' })
})

test('measured: building the largest table', (t) => {
  const began = performance.now()
  const before = process.memoryUsage().arrayBuffers
  const growth = new PlacementGrowth()
  while (growth.groups < MAX_GROUPS) growth.grow()
  const bytes = process.memoryUsage().arrayBuffers - before
  t.diagnostic(
    `1000 groups: ${(performance.now() - began).toFixed(1)} ms, ${(bytes / 2 ** 20).toFixed(2)} MiB while building (aims: 50 ms, 8 MiB)`,
  )
})
