import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LogFolder } from '../io/ports.ts'
import { joinGroup } from './join.ts'
import type { Volume } from './volume.ts'

const DAMAGED: Volume = {
  clusterId: 'c'.repeat(32),
  group: 2,
  replica: 0,
  incarnation: { number: 0, nonce: 'a'.repeat(16) },
  boot: 3,
  standing: 'voter',
  rejoin: { reason: 'the log is damaged', dropEngine: false },
}

/** What a volume of a group of `replicaCount` says while it waits, before any other replica is heard of. */
function reasonsOf(replicaCount: number): string[] {
  const reasons: string[] = []
  const unused = () => {
    throw new Error('nothing may be dropped before others have answered')
  }
  void joinGroup(DAMAGED, {
    files: { read: unused, replace: unused },
    logFolder: { list: unused, open: unused, create: unused, remove: unused } satisfies LogFolder,
    network: { start: () => {}, reach: () => {}, setAddresses: () => {}, stop: () => {} },
    replicaCount,
    randomHex: unused,
    isNamed: () => true,
    dropEngine: unused,
    onWaiting: (reason) => reasons.push(reason),
  })
  return reasons
}

test('the only replica of a group asks for the operator, and names the next step: nobody else can answer it', () => {
  const [cause, order] = reasonsOf(1)
  assert.equal(cause, 'the log is damaged')
  assert.match(order ?? '', /^NeedsOperator: replica 0 is the only one of group 2.*the log is damaged.*put an intact copy.*restore/)
})

test('a replica of three only waits: the others may answer yet', () => {
  assert.deepEqual(reasonsOf(3), ['the log is damaged'])
})
