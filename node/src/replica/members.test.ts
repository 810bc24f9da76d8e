/** Who is counted with whom, by what peers name: no single one can end another replica, or this one. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Incarnation, PEER_VERSION, type ProcessId } from '@thermocline/protocol'
import { type CoreFixture, coreOfThree } from '../paxos/core.fixture.ts'
import type { PeerHello } from '../paxos/frames.ts'
import { Members } from './members.ts'
import { PeerMemories } from './peer-memory.ts'
import type { Peer, Peers } from './peers.ts'

const first = (replica: number): Incarnation => ({ number: 0, nonce: String(replica).repeat(16) })
const LATER: Incarnation = { number: 1, nonce: 'f'.repeat(16) }

class Group {
  readonly fixture: CoreFixture = coreOfThree()
  readonly memories = new PeerMemories()
  readonly dropped: number[] = []
  readonly rejected: string[] = []
  readonly members: Members
  readonly all: Peer[]

  constructor() {
    const { core, refs } = this.fixture
    this.all = [0, 1, 2].map((replica) => ({ replica, isReady: replica > 0, process: refs[replica], claims: new Map() }) as unknown as Peer)
    const peers = {
      all: this.all,
      liveMask: () => 0b111,
      closeAll: () => {},
      dropReplaced: (peer: Peer) => void this.dropped.push(peer.replica),
    } as unknown as Peers
    this.members = new Members({
      volume: { clusterId: 'c'.repeat(32), group: 0, replica: 0, incarnation: first(0), boot: 1, standing: 'voter' },
      bootNonce: 'aa'.repeat(8),
      core,
      peers,
      memories: this.memories,
      isNamed: (replica, { number, nonce }) => number === 0 && nonce === first(replica).nonce,
      onRejected: (message) => void this.rejected.push(message),
    })
    this.members.update()
  }

  claim(by: number, of: number, incarnation: Incarnation): void {
    this.all[by]?.claims.set(of, incarnation)
    this.members.update()
  }

  hello(replica: number, incarnation: Incarnation, incarnations = new Map<number, Incarnation>()): PeerHello {
    const process: ProcessId = { group: 0, replica, incarnation, boot: 1 }
    const claims = { votesInAll: true, isStranger: false, bootNonce: 'bb'.repeat(8), logEnd: 0, incarnations }
    return { version: PEER_VERSION, clusterId: 'c'.repeat(32), process, ...claims }
  }
}

test('what one peer names takes votes apart, and ends no replica', () => {
  const group = new Group()
  const { core } = group.fixture
  group.claim(2, 0, LATER)
  group.claim(2, 1, LATER)
  assert.deepEqual([group.rejected, group.dropped], [[], []])
  assert.equal(core.isQuorum(0b011), true, 'the two that are spoken of go on with each other')
  assert.equal(core.isQuorum(0b101), false)
  assert.equal(core.isQuorum(0b110), false)
})

test('a volume is replaced on the word of n−q+1 others', () => {
  const group = new Group()
  group.claim(2, 0, LATER)
  assert.deepEqual(group.rejected, [])
  group.claim(1, 0, LATER)
  assert.equal(group.rejected.length, 1)
})

test('a verdict of being replaced counts as one word; of being rolled back, one alone may know', () => {
  const replaced = new Group()
  replaced.members.onVerdict(1, 'replaced', 'x')
  replaced.members.onVerdict(1, 'replaced', 'x')
  assert.deepEqual(replaced.rejected, [])
  replaced.members.onVerdict(2, 'replaced', 'x')
  assert.equal(replaced.rejected.length, 1)
  const rolledBack = new Group()
  rolledBack.members.onVerdict(1, 'unavailable', 'x')
  assert.deepEqual(rolledBack.rejected, [])
  rolledBack.members.onVerdict(1, 'rolled_back', 'x')
  assert.deepEqual(rolledBack.rejected, ['x'])
})

test('an incarnation may be one above the highest that is known, and no more', () => {
  const group = new Group()
  const far: Incarnation = { number: 3, nonce: 'e'.repeat(16) }
  assert.throws(() => group.members.judge(group.hello(1, far)), /at incarnation 3, but the highest that is known of it is 0/)
  assert.equal(group.memories.named.get(1), undefined, 'nothing is remembered of it')
  // What another replica has met lets it in.
  group.claim(2, 1, { number: 2, nonce: 'd'.repeat(16) })
  group.members.judge(group.hello(1, far))
  assert.equal(group.memories.named.get(1)?.number, 3)
  assert.throws(() => group.members.judge(group.hello(1, LATER)), { code: 'replaced' })
})

test('what a refused hello says of others is heard', () => {
  const group = new Group()
  assert.throws(() =>
    group.members.judge(group.hello(1, { number: 2, nonce: 'e'.repeat(16) }, new Map([[2, { number: 4, nonce: 'd'.repeat(16) }]]))),
  )
  group.members.judge(group.hello(2, { number: 5, nonce: 'd'.repeat(16) }))
  assert.equal(group.memories.named.get(2)?.number, 5)
})

test('a hello of another cluster, group or slot, or of a volume that no slot has, is refused', () => {
  const group = new Group()
  const { members } = group
  const hello = group.hello(1, first(1))
  members.admit(hello)
  assert.throws(() => members.admit({ ...hello, clusterId: 'd'.repeat(32) }), { code: 'wrong_cluster' })
  for (const changes of [{ group: 1 }, { replica: 0 }, { replica: 3 }])
    assert.throws(() => members.admit({ ...hello, process: { ...hello.process, ...changes } }), { code: 'wrong_cluster' })
  assert.throws(() => members.admit(group.hello(1, first(2))), { code: 'replaced' })
})
