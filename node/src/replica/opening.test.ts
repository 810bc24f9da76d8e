/** What a stranger, a liar or a broken wire can do with a connection between replicas: lose it, and nothing else. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ByteReader, ByteWriter, FrameDecoder, FrameType, PEER_VERSION, ThermoclineError } from '@thermocline/protocol'
import type { PeerLink, PeerLinkEvents } from '../io/ports.ts'
import {
  beginPeerFrame,
  encodeNaming,
  endPeerFrame,
  type PeerHello,
  readPeerConfirmed,
  readPeerGoodbye,
  readPeerHello,
  writePeerConfirm,
  writePeerGoodbye,
  writePeerHello,
} from '../paxos/frames.ts'
import type { Confirmation } from './confirmation.ts'
import { Opening, type OpeningHost } from './opening.ts'

const CLUSTER = 'c'.repeat(32)
const OWN_NONCE = 'aa'.repeat(8)

function helloOf(replica: number, changes: Partial<PeerHello> = {}): PeerHello {
  return {
    version: PEER_VERSION,
    clusterId: CLUSTER,
    isStranger: false,
    votesInAll: true,
    process: { group: 0, replica, incarnation: { number: 0, nonce: String(replica).repeat(16) }, boot: 1 },
    bootNonce: 'bb'.repeat(8),
    logEnd: 5,
    incarnations: new Map(),
    ...changes,
  }
}

function bytesOf(write: (w: ByteWriter) => void): Uint8Array {
  const w = new ByteWriter(256)
  write(w)
  return w.copy()
}

class Side {
  readonly done: string[] = []
  readonly sent: Uint8Array[] = []
  isClosed = false
  isKnown = false
  refusal: ThermoclineError | undefined
  answer: (answer: Confirmation) => void = () => {}
  readonly events: PeerLinkEvents

  constructor(dialled?: number) {
    const link: PeerLink = {
      send: (bytes) => void this.sent.push(bytes.slice()),
      close: () => {
        this.isClosed = true
      },
      abort: () => {
        this.isClosed = true
      },
      bufferedBytes: 0,
    }
    const host: OpeningHost<string> = {
      hello: () => helloOf(0, { bootNonce: OWN_NONCE }),
      admit: () => {},
      isKnown: () => this.isKnown,
      confirm: (claim) => {
        this.done.push(`confirm ${claim.process.replica}`)
        return new Promise((resolve) => {
          this.answer = resolve
        })
      },
      isOwn: ({ process, bootNonce }) => process.replica === 0 && bootNonce === OWN_NONCE,
      judge: (hello) => {
        this.done.push(`judge ${hello.process.replica}`)
        if (this.refusal !== undefined) throw this.refusal
      },
      open: (_link, hello) => {
        this.done.push(`open ${hello.process.replica}`)
        return 'peer'
      },
      onFrame: (_peer, type) => void this.done.push(`frame ${type}`),
      onVerdict: (replica, code) => void this.done.push(`verdict ${replica} ${code}`),
      onEnd: (_link, _replica, peer) => void this.done.push(`end ${peer ?? '-'}`),
      isCurrent: () => !this.isClosed,
    }
    this.events = new Opening(host, link, dialled).events
  }

  receive(bytes: Uint8Array): void {
    this.events.onData(bytes)
  }

  hello(changes?: Partial<PeerHello>): void {
    this.receive(bytesOf((w) => writePeerHello(w, helloOf(1, changes))))
  }

  /** Types of the frames that were sent, with what goodbyes say. */
  get said(): string[] {
    const said: string[] = []
    const decoder = new FrameDecoder(new ByteReader(), (type, reader) => {
      if (type === FrameType.peerGoodbye) said.push(readPeerGoodbye(reader).code)
      else if (type === FrameType.peerHello)
        said.push(`hello ${readPeerHello(reader).bootNonce === OWN_NONCE ? 'with its nonce' : 'without'}`)
      else if (type === FrameType.peerConfirmed) said.push(readPeerConfirmed(reader) ? 'own' : 'not own')
    })
    for (const bytes of this.sent) decoder.push(bytes)
    return said
  }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('a process that dials is not listened to before its replica’s address has confirmed it', async () => {
  const side = new Side()
  side.hello()
  assert.deepEqual(side.done, ['confirm 1'])
  assert.deepEqual(side.said, [], 'it is told nothing')
  side.answer('confirmed')
  await settled()
  assert.deepEqual(side.done, ['confirm 1', 'judge 1', 'open 1'])
  assert.deepEqual(side.said, ['hello with its nonce'])
})

test('who is not at the address is refused, and nothing of the hello is looked at', async () => {
  for (const answer of ['denied', 'unreachable'] as const) {
    const side = new Side()
    side.hello({ incarnations: new Map([[0, { number: 0xffff_fffe, nonce: 'f'.repeat(16) }]]) })
    side.answer(answer)
    await settled()
    assert.deepEqual(side.done, ['confirm 1', 'end -'])
    assert.deepEqual(side.said, ['unavailable'])
    assert.equal(side.isClosed, true)
  }
})

test('frames that come before the answer to a hello cost the connection', () => {
  const side = new Side()
  side.hello()
  side.hello()
  assert.deepEqual(side.done, ['confirm 1', 'end -'])
  assert.deepEqual(side.said, ['bad_frame'])
})

test('a connection that ended while it was confirmed opens nothing', async () => {
  const side = new Side()
  side.hello()
  side.events.onClose('gone')
  side.answer('confirmed')
  await settled()
  assert.deepEqual(side.done, ['confirm 1', 'end -'])
})

test('a dialled replica, and a process that is remembered, need no confirmation', () => {
  const dialler = new Side(1)
  dialler.hello()
  assert.deepEqual(dialler.done, ['judge 1', 'open 1'])
  const acceptor = new Side()
  acceptor.isKnown = true
  acceptor.hello()
  assert.deepEqual(acceptor.done, ['judge 1', 'open 1'])
})

test('a verdict on this volume counts from a dialled or a greeted replica alone', () => {
  const goodbye = bytesOf((w) => writePeerGoodbye(w, 'rolled_back', 'said by a stranger'))
  const stranger = new Side()
  stranger.receive(goodbye)
  assert.deepEqual(stranger.done, ['end -'])
  const unconfirmed = new Side()
  unconfirmed.hello()
  unconfirmed.receive(goodbye)
  assert.deepEqual(unconfirmed.done, ['confirm 1', 'end -'])
  const dialled = new Side(1)
  dialled.receive(goodbye)
  assert.deepEqual(dialled.done, ['end -', 'verdict 1 rolled_back'])
  const greeted = new Side()
  greeted.isKnown = true
  greeted.hello()
  greeted.receive(goodbye)
  assert.deepEqual(greeted.done, ['judge 1', 'open 1', 'end peer', 'verdict 1 rolled_back'])
  assert.deepEqual(greeted.said, ['hello with its nonce'], 'a verdict is not sent back')
})

test('a stranger hears which incarnations are named, and not the secret of this boot', () => {
  const side = new Side()
  side.hello({ isStranger: true })
  assert.deepEqual(side.said, ['hello without', 'unavailable'])
  assert.deepEqual(side.done, ['end -'])
})

test('a claim is confirmed by the process that it is about alone', () => {
  for (const [nonce, said] of [
    [OWN_NONCE, 'own'],
    ['cc'.repeat(8), 'not own'],
  ] as const) {
    const side = new Side()
    side.receive(bytesOf((w) => writePeerConfirm(w, helloOf(0, { bootNonce: nonce }))))
    assert.deepEqual(side.said, [said])
    assert.equal(side.isClosed, true)
  }
  const dialled = new Side(1)
  dialled.receive(bytesOf((w) => writePeerConfirm(w, helloOf(0, { bootNonce: OWN_NONCE }))))
  assert.deepEqual(dialled.said, ['hello with its nonce', 'bad_frame'], 'not to whom this side has dialled')
})

test('a refusal says its code and ends the connection', () => {
  const side = new Side()
  side.isKnown = true
  side.refusal = new ThermoclineError('replaced', 'incarnation 2 has replaced it')
  side.hello()
  assert.deepEqual(side.said, ['replaced'])
  assert.deepEqual(side.done, ['judge 1', 'end -'])
})

test('one flipped bit in a hello, a verdict or a frame head costs the connection, and is believed nothing', () => {
  const naming = encodeNaming(1, new Map([[2, { number: 1, nonce: 'f'.repeat(16) }]]))
  const whole: [string, Uint8Array][] = [
    ['hello', bytesOf((w) => writePeerHello(w, helloOf(1)))],
    ['goodbye', bytesOf((w) => writePeerGoodbye(w, 'unsupported_version', 'x'))],
  ]
  for (const [name, bytes] of whole) {
    for (let bit = 40; bit < bytes.length * 8; bit++) {
      const flipped = bytes.slice()
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7))
      const side = new Side(1)
      side.receive(flipped)
      assert.deepEqual(side.done, ['end -'], `${name}, bit ${bit}`)
    }
  }
  const frame = bytesOf((w) => {
    beginPeerFrame(w, naming)
    w.u8(17)
    endPeerFrame(w, 9, 1, naming)
  })
  const side = new Side(1)
  side.hello()
  side.receive(frame)
  assert.equal(side.done.at(-1), `frame ${FrameType.peer}`)
})
