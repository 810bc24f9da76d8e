/**
 * State of one block's log on one replica (design §4.1). Mutated in place, by the acceptor, proposer and learner of the
 * one replica that owns it.
 *
 * Invariants:
 * - Everything ≤ `chosen` is known chosen, and applied or queued to be applied before anything else reads the block.
 * - The acceptor's part speaks of instance `chosen + 1` only; when `chosen` advances it starts empty.
 * - `accepted*` never has a higher ballot than `promised*`.
 * - A vote that `acceptedWrite` or `promisedWrite` carries counts only once that log write is durable (⚖4).
 */
import { MAX_ROUND_LEAD } from './constants.ts'
import type { PendingWrite } from './pending.ts'
import { NO_PROCESS, type ProcessRef } from './processes.ts'

/** No ballot: lower than round 0. */
export const NO_ROUND = -1

export const Phase = {
  idle: 0,
  /** Waits for promises of `round`. */
  preparing: 1,
  /** Waits for accepts of `round`. */
  accepting: 2,
  /** Lost to another proposer; tries again at `retryAtMs`. */
  backingOff: 3,
  /** Waits for the engine to read what an entry needs. */
  reading: 4,
} as const

export class BlockState {
  readonly block: number
  /** False while this replica only learns the block (design §4.4): it promises, accepts, proposes and serves nothing. */
  isVoter = true
  /** Highest index that may hold a forgotten vote of this replica's slot: it votes only above (⚖16). */
  barrier = 0
  /** A learner that compares digests learns up to here for now; 0: no bound. */
  holdAt = 0
  chosen = 0
  chosenProcess: ProcessRef = NO_PROCESS
  chosenCounter = 0

  promisedRound = NO_ROUND
  promisedProcess: ProcessRef = NO_PROCESS
  promisedWrite = 0
  acceptedRound = NO_ROUND
  acceptedProcess: ProcessRef = NO_PROCESS
  acceptedValueProcess: ProcessRef = NO_PROCESS
  acceptedValueCounter = 0
  acceptedEntry: Uint8Array | undefined = undefined
  acceptedWrite = 0
  /** Write of the first accept in this instance: once durable, some value of it is, whatever is re-accepted later. */
  firstAcceptedWrite = 0
  acceptedAtMs = 0

  phase: number = Phase.idle
  /** Instance of the running attempt; always `chosen + 1` while `phase` is not idle. */
  round = 0
  /** Bit r: replica r has promised or accepted `round`. */
  votes = 0
  /** Highest accepted ballot that a promise of this attempt reported, and its value. */
  bestRound = NO_ROUND
  bestProcess: ProcessRef = NO_PROCESS
  bestValueProcess: ProcessRef = NO_PROCESS
  bestValueCounter = 0
  bestEntry: Uint8Array | undefined = undefined
  /** The value being accepted in this attempt. */
  valueProcess: ProcessRef = NO_PROCESS
  valueCounter = 0
  valueEntry: Uint8Array | undefined = undefined
  /** Highest round seen in a refusal: the next Prepare goes above it. */
  seenRound = 0
  /** Instance in which this process has used round 0: one ballot carries one value (⚖1). */
  fastInstance = 0
  retryAtMs = 0
  sentAtMs = 0
  /** Number of the last disk read that an attempt waited for. */
  read = 0
  /** Prepares since something was last chosen here. */
  prepares = 0
  /** Settle the open instance even though nothing waits to be written. */
  settle = false

  /** Writes waiting for an entry, oldest first. */
  queue: PendingWrite[] = []
  /** Writes inside the entry that this process is proposing as its own value. */
  inFlight: PendingWrite[] = []
  /** Value counter of `inFlight`'s entry. */
  inFlightCounter = 0
  /** Last id given to an append, so that ids of one process rise. */
  lastAppendMs = 0
  lastAppendSeq = 0

  /** Highest index any peer is known to have chosen. */
  knownChosen = 0
  /** Bit r: since the block last moved on, replica r has answered a fetch with nothing more than is here. */
  deniedBy = 0
  /** `chosen` of the peer that answered the last fetch. */
  peerChosen = 0
  fetchingFrom = -1
  /** Number of the last fetch. */
  question = 0
  /** Whom the last fetch went to. */
  askedLast = 0
  fetchAtMs = 0
  /** The sweep asks for nothing before this. */
  fetchAgainAtMs = 0
  /** `chosen` when the fetch was sent. */
  fetchAfter = 0

  /**
   * Up to here the content came by snapshot: what the log holds of these instances may be what this replica had accepted,
   * not what was chosen, and must not be handed to anybody as chosen.
   */
  snapshotIndex = 0
  /**
   * Its content here is wrong, or an entry of it could not be applied: it votes, learns and serves nothing until a copy has
   * replaced the content and compared equal. What it had promised and accepted stays.
   */
  isSetAside = false
  /** Its content is to be copied anew, whatever the entries that peers still have. */
  needsCopy = false
  /** It waits for a batch of copies from a peer: nothing of it is fetched meanwhile. */
  isQueued = false
  /** Bit r: replica r gave no copy that is of use here. */
  copyDeniedBy = 0
  /** Its content is being replaced by a peer's snapshot: it neither votes, learns, proposes nor serves (⚖13). */
  isCopying = false

  /** What a learner that holds nothing of a block begins with is a copy, if some voter may have one. */
  get beginsWithCopy(): boolean {
    return !this.isVoter && this.chosen === 0
  }

  /** The lowest index at which a copy is of use: `chosen` never goes back. Content that is wrong may be replaced at its own index. */
  get leastCopy(): number {
    return this.needsCopy ? Math.max(this.chosen, 1) : this.chosen + 1
  }

  /** Membership of the lists the replica keeps, so that a block is in each at most once. */
  inReady = false
  inOpen = false
  inBehind = false
  noticePending = false
  markPending = false

  constructor(block: number) {
    this.block = block
  }

  /** The index up to which this replica has durably accepted or knows chosen, given the last durable log write. */
  durableIndex(durableWrite: number): number {
    return this.acceptedRound !== NO_ROUND && this.firstAcceptedWrite <= durableWrite ? this.chosen + 1 : this.chosen
  }

  clearAcceptor(): void {
    this.promisedRound = NO_ROUND
    this.promisedProcess = NO_PROCESS
    this.promisedWrite = 0
    this.acceptedRound = NO_ROUND
    this.acceptedProcess = NO_PROCESS
    this.acceptedValueProcess = NO_PROCESS
    this.acceptedValueCounter = 0
    this.acceptedEntry = undefined
    this.acceptedWrite = 0
    this.firstAcceptedWrite = 0
  }

  clearAttempt(): void {
    this.phase = Phase.idle
    this.votes = 0
    this.bestRound = NO_ROUND
    this.bestProcess = NO_PROCESS
    this.bestValueProcess = NO_PROCESS
    this.bestValueCounter = 0
    this.bestEntry = undefined
    this.valueProcess = NO_PROCESS
    this.valueCounter = 0
    this.valueEntry = undefined
  }
}

/** The highest round that a replica takes from a peer for the block's open instance. */
export function highestNextRound(state: BlockState): number {
  return Math.max(state.promisedRound, state.acceptedRound, state.round, state.seenRound, 0) + MAX_ROUND_LEAD
}
