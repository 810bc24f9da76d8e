/**
 * Answers of blocks at rest. The horizon of a block rises with its entries; a block that nobody writes to would remember its last
 * answers for ever, over restarts, and 65,536 such blocks many times what a node has room for. So their best live replica
 * proposes an entry without requests, whose horizon passes what is too old: one for each rest, a bounded number at a time.
 */
import type { Engine } from '../engine/port.ts'
import { answerAge } from '../kv/entry-builder.ts'
import { Phase } from '../paxos/block-state.ts'
import type { Core } from '../paxos/core.ts'
import type { Proposer } from '../paxos/proposer.ts'

const LOOK_EVERY_MS = 250
/** Entries that one look proposes at most. */
const MAX_BLOCKS = 64

export class Forgetter {
  private readonly core: Core
  private readonly engine: Engine
  private readonly proposer: Proposer
  private readonly limits: { readonly maxAnswers: number; readonly answerAgeMs: number }
  /** Where the search goes on, and the blocks that it found. */
  private readonly found = new Uint32Array(1 + MAX_BLOCKS)
  private lookedMs = 0
  proposed = 0

  constructor(core: Core, engine: Engine, proposer: Proposer, limits: { readonly maxAnswers: number; readonly answerAgeMs: number }) {
    this.core = core
    this.engine = engine
    this.proposer = proposer
    this.limits = limits
  }

  sweep(): void {
    const { core, engine, found } = this
    if (core.nowMs - this.lookedMs < LOOK_EVERY_MS) return
    this.lookedMs = core.nowMs
    const count = engine.staleBlocks(core.nowMs - answerAge(this.limits, engine), found)
    for (let at = 1; at <= count; at++) this.forget(found[at] as number)
  }

  private forget(block: number): void {
    const { core, proposer } = this
    if (core.bestLive(block) !== core.replica) return
    const state = core.block(block)
    const isAtRest = state.phase === Phase.idle && state.queue.length === 0 && !state.settle
    // An entry that is under way carries a horizon of its own; the next look finds what it leaves.
    if (!isAtRest || state.isCopying) return
    proposer.settle(block, state.chosen + 1)
    this.proposed++
  }
}
