/**
 * Replicas compare the digests of their blocks in the background, all of them once in a period: what a disk, a memory or a bug has
 * changed on one replica is found while the others still have it right.
 *
 *     due ──all live voters are asked for (index, digest)──► compared, where this replica is at that index
 *       ├─ equal ──► done
 *       └─ differs ──► alarm; asked again until a majority has said the same of one index
 *             ├─ this replica is the one that differs ──► the block is set aside and copied (rejoin.ts)
 *             └─ another one is ──► it is told to look for itself
 *
 * A digest that one peer names ends nothing here: only a majority that agrees against this replica does. Indexes of a block that
 * is written move on; what could not be compared at one index is asked again, some times, and then at the next period.
 */
import type { BlockState } from './block-state.ts'
import { AUDIT_RETRY_MS, MAX_AUDIT_HINTS, MAX_AUDIT_TRIES, MAX_AUDITS } from './constants.ts'
import type { Core } from './core.ts'
import { bitCount } from './quorums.ts'

export interface DigestAuditPorts {
  /** Of the block as it is applied, 16 hexadecimal digits. */
  digest(block: number): string
  /** Replicas differ in a block at an index. */
  onDifference(block: number, index: number, digests: ReadonlyMap<number, string>): void
  /** This replica is the one that differs. */
  setAside(state: BlockState, reason: string): void
}

interface Audit {
  readonly state: BlockState
  /** What each replica has said last, this one included where it was at the index. */
  readonly said: Map<number, { readonly index: number; readonly digest: string }>
  /** Bit r: replica r was found equal. */
  equal: number
  /** Bit r: replica r was asked and has not answered. */
  asked: number
  askedAtMs: number
  tries: number
  isAlarmed: boolean
}

export class DigestAudit {
  private readonly core: Core
  private readonly ports: DigestAuditPorts
  private readonly periodMs: number
  private readonly audits = new Map<number, Audit>()
  /** Blocks that a peer has asked this replica to look at. */
  private readonly hints = new Set<number>()
  /** The next of `core.known` to be looked at, as if it were a real number of them that are due. */
  private cursor = 0
  private due = 0
  private lastSweepMs = Number.NaN
  readonly counters = { audited: 0, differences: 0 }

  /** @param periodMs in which every block is compared once; 0: never. */
  constructor(core: Core, periodMs: number, ports: DigestAuditPorts) {
    this.core = core
    this.periodMs = periodMs
    this.ports = ports
  }

  /** A peer has found this replica to differ, or says so. */
  onHint(block: number): void {
    if (this.hints.size < MAX_AUDIT_HINTS && this.core.peek(block) !== undefined) this.hints.add(block)
  }

  /** Called at every sweep: begins what is due, and asks again what was not answered. */
  sweep(): void {
    const { core } = this
    const elapsedMs = Number.isNaN(this.lastSweepMs) ? 0 : core.nowMs - this.lastSweepMs
    this.lastSweepMs = core.nowMs
    for (const audit of [...this.audits.values()]) this.goOn(audit)
    for (const block of this.hints) {
      if (this.audits.size >= MAX_AUDITS) return
      this.hints.delete(block)
      this.begin(core.block(block))
    }
    if (this.periodMs === 0) return
    this.due = Math.min(this.due + (elapsedMs * core.known.length) / this.periodMs, MAX_AUDITS)
    for (; this.due >= 1 && this.audits.size < MAX_AUDITS; this.due--) {
      if (this.cursor >= core.known.length) this.cursor = 0
      const state = core.known[this.cursor++]
      if (state !== undefined) this.begin(state)
    }
  }

  private begin(state: BlockState): void {
    if (!state.isVoter || state.chosen === 0 || this.audits.has(state.block)) return
    const audit: Audit = { state, said: new Map(), equal: 0, asked: 0, askedAtMs: 0, tries: 0, isAlarmed: false }
    this.audits.set(state.block, audit)
    this.ask(audit)
  }

  private ask(audit: Audit): void {
    const { core } = this
    const { block } = audit.state
    audit.askedAtMs = core.nowMs
    audit.tries++
    audit.asked = 0
    for (let replica = 0; replica < core.replicaCount; replica++) {
      const bit = 1 << replica
      if (replica === core.replica || (core.live & bit) === 0 || !core.votesIn(replica, block)) continue
      // Once replicas differ, all have to speak of one index.
      if (!audit.isAlarmed && (audit.equal & bit) !== 0) continue
      const out = core.outbox.now(replica)
      if (out === undefined) continue
      audit.asked |= bit
      core.outbox.messages.digestQuery(out, block)
    }
  }

  /** True if the answer was asked for here. */
  onDigestAnswer(from: number, block: number, index: number, digest: string): boolean {
    const audit = this.audits.get(block)
    if (audit === undefined || (audit.asked & (1 << from)) === 0) return false
    audit.asked &= ~(1 << from)
    audit.said.set(from, { index, digest })
    return true
  }

  /** Called every turn, after everything chosen is applied. */
  advance(): void {
    for (const audit of this.audits.values()) this.compare(audit)
  }

  private compare(audit: Audit): void {
    const { core, ports } = this
    const { state, said } = audit
    if (!state.isVoter || state.isCopying) {
      this.audits.delete(state.block)
      return
    }
    let own: string | undefined
    for (const [replica, { index, digest }] of said) {
      if (replica === core.replica || index !== state.chosen) continue
      own ??= ports.digest(state.block)
      said.set(core.replica, { index, digest: own })
      if (own === digest) audit.equal |= 1 << replica
      else this.alarm(audit, index)
    }
    if (audit.isAlarmed) this.judge(audit)
    else if (bitCount(audit.equal) === core.replicaCount - 1) this.end(audit)
  }

  private alarm(audit: Audit, index: number): void {
    audit.equal = 0
    if (audit.isAlarmed) return
    audit.isAlarmed = true
    this.counters.differences++
    const digests = [...audit.said].filter(([, said]) => said.index === index).map(([replica, said]) => [replica, said.digest] as const)
    this.ports.onDifference(audit.state.block, index, new Map(digests))
  }

  /** Whether a majority has said the same of the index that this replica has spoken of. */
  private judge(audit: Audit): void {
    const { core } = this
    const { said, state } = audit
    const own = said.get(core.replica)
    if (own === undefined) return
    const others = [...said].filter(([replica, { index }]) => replica !== core.replica && index === own.index)
    for (const [, { digest }] of others) {
      const agree = others.filter(([, other]) => other.digest === digest)
      if (digest !== own.digest && agree.length >= core.quorum) {
        const who = agree.map(([replica]) => replica).join(', ')
        this.audits.delete(state.block)
        this.ports.setAside(state, `its digest at index ${own.index} is ${own.digest}; replicas ${who} have ${digest}`)
        return
      }
      if (digest !== own.digest || agree.length + 1 < core.quorum) continue
      for (const [replica, other] of others) if (other.digest !== digest) this.hint(replica, state.block)
      this.end(audit)
      return
    }
  }

  private hint(replica: number, block: number): void {
    const out = this.core.outbox.now(replica)
    if (out !== undefined) this.core.outbox.messages.auditHint(out, block)
  }

  private goOn(audit: Audit): void {
    if (this.core.nowMs - audit.askedAtMs < AUDIT_RETRY_MS) return
    if (audit.tries < MAX_AUDIT_TRIES) this.ask(audit)
    else this.end(audit)
  }

  private end({ state: { block } }: Audit): void {
    this.counters.audited++
    this.audits.delete(block)
  }
}
