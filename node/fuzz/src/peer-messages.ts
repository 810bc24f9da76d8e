/**
 * Frames between replicas, on a connection that has said its hello: read, and routed to what votes, learns and reads. A frame that is
 * malformed is a DecodeError; what is not expected changes nothing that a later, honest message needs.
 */
import assert from 'node:assert/strict'
import {
  ByteReader,
  ByteWriter,
  blockOf,
  checksum32,
  DecodeError,
  FRAME_HEADER_BYTES,
  FrameDecoder,
  FrameType,
  Operation,
} from '@thermocline/protocol'
import type { Random } from '@thermocline/simulation'
import { buildEntry, withKey } from '../../src/engine/model.ts'
import { BlockSet } from '../../src/paxos/block-set.ts'
import {
  beginPeerFrame,
  encodeNaming,
  endPeerFrame,
  openSealed,
  readNaming,
  readPeerConfirm,
  readPeerConfirmed,
  readPeerGoodbye,
  readPeerHello,
  writePeerConfirm,
  writePeerConfirmed,
  writePeerGoodbye,
  writePeerHello,
} from '../../src/paxos/frames.ts'
import { MessageWriter, readMessages } from '../../src/paxos/messages.ts'
import type { ProcessRef } from '../../src/paxos/processes.ts'
import type { Peer } from '../../src/replica/peers.ts'
import { anyEntry } from './entries.ts'
import { anyNumber, mutate, orWrong, someBytes } from './numbers.ts'
import type { Protocol, Target } from './protocol.ts'
import { bodyOf, NAMES } from './request-bodies.ts'
import { REPLICAS, VotingReplica } from './voting-replica.ts'

const BLOCKS = NAMES.map(blockOf)
const BUSY_BLOCKS = 3
/** No input names it. */
const CONTROL_BLOCK = 3
const CHECKED_FROM = FRAME_HEADER_BYTES + 4
/** Learners ask for barriers under numbers that begin at random: their answers are hit by chance alone. */
const MESSAGE_KINDS = 27
const KEY = new Uint8Array(16).fill(7)

class PeerMessagesTarget implements Target {
  private readonly random: Random
  private readonly replica: VotingReplica
  private readonly writers: readonly MessageWriter[]
  private readonly peers: readonly Peer[]
  /** Also of processes that are none of the group's. */
  private readonly processes: readonly ProcessRef[]

  constructor(random: Random, replica: VotingReplica) {
    this.random = random
    this.replica = replica
    const { processes, refs } = replica
    const foreign = [0, 1, 2, 4].map((slot) =>
      processes.intern({ group: slot === 4 ? 9 : 0, replica: slot, incarnation: { number: 1, nonce: 'f'.repeat(16) }, boot: 2 }),
    )
    this.processes = [...refs, ...refs, ...foreign]
    this.writers = refs.map((ref) => new MessageWriter(processes, ref))
    this.peers = refs.map((_, at) => ({ replica: at, differs: 0, chosenTotal: 0, chosenHash: 0 }) as unknown as Peer)
  }

  private block(): number {
    const { random } = this
    // Conversations come about in the few that are named often.
    if (random.chance(0.6)) return BLOCKS[random.below(BUSY_BLOCKS)] as number
    return random.chance(0.9) ? random.pick(BLOCKS) : 4 + (anyNumber(random, 16) % 65_532)
  }

  /** The block's next instance, one near it, or any. */
  private instance(block: number): number {
    const { random } = this
    const next = (this.replica.core.peek(block)?.chosen ?? 0) + 1
    if (random.chance(0.8)) return next
    return random.chance(0.5) ? Math.max(0, next - 2 + random.below(5)) : anyNumber(random, 48)
  }

  /** A round that means something to the block, or any. */
  private round(block: number): number {
    const { random } = this
    const { promisedRound = 0, round = 0 } = this.replica.core.peek(block) ?? {}
    if (random.chance(0.1)) return anyNumber(random, 32)
    return Math.max(
      0,
      Math.min(2 ** 32 - 1, random.pick([promisedRound, round, round, Math.max(promisedRound, 0) + 1]) + (random.chance(0.1) ? 1 : 0)),
    )
  }

  /** The value that the block's last chosen instance has, or another one. */
  private before(block: number): readonly [ProcessRef, number] {
    const state = this.replica.core.peek(block)
    return this.random.chance(0.85) ? [state?.chosenProcess ?? 0, state?.chosenCounter ?? 0] : [this.process(), this.counter()]
  }

  /** The value that this replica has accepted in the open instance, or another one. */
  private accepted(block: number): readonly [ProcessRef, number] {
    const state = this.replica.core.peek(block)
    return this.random.chance(0.7) ? [state?.acceptedValueProcess ?? 0, state?.acceptedValueCounter ?? 0] : [this.process(), this.counter()]
  }

  private process(): ProcessRef {
    return this.random.pick(this.processes)
  }

  private counter(): number {
    return this.random.chance(0.8) ? this.random.below(4) : anyNumber(this.random, 48)
  }

  private entry(block: number, instance: number): Uint8Array {
    const { random } = this
    if (random.chance(0.5)) return instance === 1 ? withKey(buildEntry(0, 0, []), KEY) : buildEntry(0, 0, [])
    return anyEntry(random, NAMES[Math.max(0, BLOCKS.indexOf(block))] as Uint8Array, instance === 1)
  }

  private votes(): BlockSet {
    if (this.random.chance(0.9)) return FULL
    const votes = new BlockSet()
    votes.addRange(0, anyNumber(this.random, 16))
    return votes
  }

  /** One message of a peer. */
  private put(w: ByteWriter, from: number): void {
    const { random, replica } = this
    const { core } = replica
    const out = this.writers[from] as MessageWriter
    const block = this.block()
    const instance = this.instance(block)
    const round = this.round(block)
    // Numbers of questions are what was asked here, mostly: an answer that nobody asked for ends at once.
    const question = random.chance(0.8) ? (core.peek(block)?.question ?? 0) : anyNumber(random, 32)
    const readRound = random.chance(0.8) ? core.counters.rounds : anyNumber(random, 32)
    switch (random.below(MESSAGE_KINDS)) {
      case 0:
      case 1:
      case 2:
        out.accept(w, block, instance, round, ...this.before(block), this.process(), this.counter(), this.entry(block, instance))
        break
      case 3:
        out.accepted(w, block, instance, this.round(block))
        break
      case 4:
        out.refused(w, block, instance, round)
        break
      case 5:
        out.behind(w, block, instance, this.instance(block))
        break
      case 6:
        out.ahead(w, block, instance)
        break
      case 7:
        out.prepare(w, block, instance, round, ...this.before(block))
        break
      case 8: {
        const entry = random.chance(0.5) ? this.entry(block, instance) : undefined
        out.promise(w, block, instance, round, this.round(block), this.namedProcess(), this.process(), this.counter(), entry)
        break
      }
      case 9:
        out.chosen(w, block, instance, ...this.accepted(block))
        break
      case 10:
        out.fetch(w, block, instance, anyNumber(random, 32))
        break
      case 11:
      case 12: {
        const countAt = out.entriesBegin(w, block, instance, question)
        const count = random.below(4)
        for (let at = 0; at < count; at++) out.entry(w, this.process(), this.counter(), this.entry(block, instance + at))
        out.entriesEnd(w, countAt, orWrong(random, count, 16), this.instance(block), orWrong(random, random.below(2), 8))
        break
      }
      case 13: {
        const count = random.below(4)
        out.readRound(w, anyNumber(random, 32), orWrong(random, count, 32))
        for (let at = 0; at < count; at++) out.readRoundBlock(w, this.block(), instance)
        break
      }
      case 14:
      case 15: {
        const countAt = out.readAnswer(w, readRound)
        const count = random.below(3)
        for (let at = 0; at < count; at++) {
          if (random.chance(0.2)) out.readAbsence(w, this.block())
          else out.readException(w, this.block(), instance, this.round(block), this.namedProcess(), this.process(), this.counter())
        }
        out.readAnswerEnd(w, countAt, orWrong(random, count, 32))
        break
      }
      case 16:
        out.forward(w, anyNumber(random, 32), anyNumber(random, 32), bodyOf(random, Operation.write))
        break
      case 17:
        out.forwardAnswer(w, anyNumber(random, 32), anyNumber(random, 8), someBytes(random, random.below(40)))
        break
      case 18:
        out.settle(w, block, instance)
        break
      case 19:
        out.position(w, block, instance)
        break
      case 20:
        out.wantPositions(w)
        break
      case 21:
        out.heartbeat(w, anyNumber(random, 48), anyNumber(random, 32), this.votes())
        break
      case 22:
        out.barrierQuery(w, anyNumber(random, 32))
        break
      case 23: {
        const countAt = out.barrierAnswer(w, anyNumber(random, 32))
        const count = random.below(4)
        for (let at = 0; at < count; at++) out.barrier(w, this.block(), instance)
        out.barrierEnd(w, countAt, orWrong(random, count, 32), this.votes())
        break
      }
      case 24:
        if (random.chance(0.5)) out.digestQuery(w, block)
        else out.auditHint(w, block)
        break
      case 25:
        out.digestAnswer(w, block, instance, random.hex(8))
        break
      default:
        this.putBatchMessage(w, out, question)
        break
    }
  }

  /** A ballot's process is named in full, and is somebody. */
  private namedProcess(): ProcessRef {
    return this.process() || (this.replica.refs[1] as ProcessRef)
  }

  private putBatchMessage(w: ByteWriter, { batches }: MessageWriter, question: number): void {
    const { random } = this
    const blocks = [...new Set(Array.from({ length: random.below(4) }, () => this.block()))]
    if (random.chance(0.9)) blocks.sort((a, b) => a - b)
    switch (random.below(6)) {
      case 0:
        batches.want(
          w,
          question,
          blocks.map((block) => ({ block, atLeast: this.instance(block), mustFlush: random.chance(0.5) })),
        )
        break
      case 1:
        batches.head(
          w,
          question,
          blocks.map((block) => ({ block, index: this.instance(block), valueProcess: this.process(), valueCounter: this.counter() })),
        )
        break
      case 2:
        batches.wantPart(w, question, anyNumber(random, 32))
        break
      case 3:
        batches.part(w, question, anyNumber(random, 32), anyNumber(random, 16), someBytes(random, random.below(100)))
        break
      case 4:
        batches.gone(w, question, random.chance(0.5))
        break
      default:
        batches.drop(w, question)
        break
    }
  }

  /** A frame of some messages, sealed, and mutated before or after that. */
  private frame(from: number): Uint8Array {
    const { random } = this
    const w = new ByteWriter(1024)
    const named = new Map(random.chance(0.9) ? [] : [[random.below(5), { number: anyNumber(random, 32), nonce: 'e'.repeat(16) }]])
    const naming = encodeNaming(anyNumber(random, 16), named)
    beginPeerFrame(w, naming)
    for (let messages = 1 + random.below(3); messages > 0; messages--) this.put(w, from)
    endPeerFrame(w, anyNumber(random, 48), anyNumber(random, 32), naming)
    return resealed(random, w.copy())
  }

  run(): void {
    const { random, replica } = this
    const { core } = replica
    if (random.chance(0.03)) this.readOpening()
    if (random.chance(0.05)) replica.submitRead(random.pick(BLOCKS))
    if (random.chance(0.05)) replica.submitWrite(bodyOf(random, Operation.write))
    const from = 1 + random.below(REPLICAS - 1)
    // What a peer votes in is what it said last.
    if (random.chance(0.01)) core.peerVotes[from] = FULL
    try {
      new FrameDecoder(new ByteReader(), (type, reader) => {
        if (type !== FrameType.peer) return
        openSealed(reader)
        reader.skip(10)
        readNaming(reader, -1, () => {})
        const peer = this.peers[from] as Peer
        replica.messages.begin(peer)
        readMessages(reader, replica.processes, replica.refs[from] as ProcessRef, replica.messages)
      }).push(this.frame(from))
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
    }
    replica.turn(random.chance(0.2) ? random.pick([1, 50, 1000]) : 0)
  }

  /** The frames that open, end and confirm a connection. */
  private readOpening(): void {
    const { random } = this
    const w = new ByteWriter(256)
    const incarnation = { number: anyNumber(random, 32), nonce: random.hex(8) }
    const process = { group: anyNumber(random, 16), replica: anyNumber(random, 8), incarnation, boot: anyNumber(random, 32) }
    const hello = { version: anyNumber(random, 16), clusterId: random.hex(16), process, bootNonce: random.hex(8) }
    const kind = random.below(4)
    if (kind === 0) {
      const incarnations = new Map(Array.from({ length: random.below(4) }, () => [anyNumber(random, 8), incarnation] as const))
      writePeerHello(w, {
        ...hello,
        isStranger: random.chance(0.5),
        votesInAll: random.chance(0.5),
        logEnd: anyNumber(random, 48),
        incarnations,
      })
    } else if (kind === 1) writePeerGoodbye(w, random.pick(['replaced', 'rolled_back', 'overloaded']), 'm'.repeat(random.below(2000)))
    else if (kind === 2) writePeerConfirm(w, hello)
    else writePeerConfirmed(w, random.chance(0.5))
    const reader = new ByteReader(resealed(random, w.copy()))
    try {
      reader.skip(FRAME_HEADER_BYTES)
      const read = [readPeerHello, readPeerGoodbye, readPeerConfirm, readPeerConfirmed][kind] as (r: ByteReader) => unknown
      read(reader)
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
    }
  }

  /** A vote that is asked for honestly is given. */
  check(): void {
    const { core, acceptor, refs } = this.replica
    core.votes.add(CONTROL_BLOCK)
    const state = core.block(CONTROL_BLOCK)
    state.isVoter = true
    const instance = state.chosen + 1
    const round = Math.max(0, state.promisedRound, state.acceptedRound) + 1
    const entry = instance === 1 ? withKey(buildEntry(0, 0, []), KEY) : buildEntry(0, 0, [])
    acceptor.onAccept(1, CONTROL_BLOCK, instance, round, state.chosenProcess, state.chosenCounter, refs[1] as ProcessRef, 1, entry)
    assert.equal(state.acceptedRound, round, 'an honest Accept is not voted for')
  }

  close(): Promise<void> {
    return this.replica.close()
  }
}

const FULL = BlockSet.full()

/** The frame, mutated; its length and checksum are right more often than not. */
function resealed(random: Random, frame: Uint8Array): Uint8Array {
  const made = mutate(random, frame)
  if (made === frame || made.length < CHECKED_FROM || random.chance(0.05)) return made
  const copy = made.slice()
  const view = new DataView(copy.buffer)
  view.setUint32(0, copy.length - 4, true)
  copy[4] = frame[4] as number
  view.setUint32(FRAME_HEADER_BYTES, checksum32(copy.subarray(CHECKED_FROM)), true)
  return copy
}

export const peerMessages: Protocol = {
  name: 'peer-messages',
  weight: 20,
  inputsPerRun: 1,
  runsPerEpisode: 3000,
  // A replica that votes, or one that has lost its votes and learns.
  open: (random) => new PeerMessagesTarget(random, new VotingReplica(random, random.chance(0.7) ? BlockSet.full() : new BlockSet())),
}
