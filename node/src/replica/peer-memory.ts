/**
 * What a replica durably remembers of its peers' volumes, and what it concludes from a hello (⚖5).
 *
 * A peer's frames name the last log write that is durable there; a later process on the same volume whose log ends
 * before that, or that claims a boot already used by another process, runs on a volume that was rolled back or copied:
 * it may have forgotten promises, so nothing it says may count.
 */
import { compareIncarnations, type Incarnation } from '@thermocline/protocol'
import { encodeNaming, type Naming, type PeerHello } from '../paxos/frames.ts'
import type { PeerMemory } from '../wal/records.ts'

/** Where memories are kept. */
export interface MemoryLog {
  /** Returns the write that carries it. */
  peer(memory: PeerMemory): number
  named(replica: number, incarnation: Incarnation): void
  /** Makes the next write leave; returns its number. */
  force(): number
}

export type Verdict = { readonly ok: true } | { readonly ok: false; readonly code: 'replaced' | 'rolled_back'; readonly reason: string }

export class PeerMemories {
  private readonly memories = new Map<number, PeerMemory>()
  /** Replicas whose memory has changed since it was last put into the log. */
  private readonly dirty = new Set<number>()
  /** The log write that carries what is remembered of each replica now. */
  private readonly loggedIn = new Map<number, number>()
  /** Replicas whose name has. */
  private readonly dirtyNames = new Set<number>()
  /**
   * The highest incarnation of each replica that was met: its own, those of confirmed processes, and what the log has of them.
   * What others only say is not among them (⚖5: a replica that was asked for barriers has met the asker).
   */
  readonly named = new Map<number, Incarnation>()
  /** What every frame names: it changes with `named`. */
  naming: Naming = encodeNaming(0, this.named)

  /** From the log, at replay: later records replace earlier ones. */
  restore(memory: PeerMemory): void {
    this.memories.set(memory.replica, memory)
    this.name(memory.replica, memory.incarnation)
  }

  name(replica: number, incarnation: Incarnation): boolean {
    const known = this.named.get(replica)
    if (known !== undefined && compareIncarnations(known, incarnation) >= 0) return false
    this.named.set(replica, incarnation)
    this.dirtyNames.add(replica)
    this.naming = encodeNaming(this.naming.version + 1, this.named)
    return true
  }

  /** The hello is of the very process that is remembered: no other knows the nonce of its boot. */
  isKnown({ process: { replica, incarnation, boot }, bootNonce }: PeerHello): boolean {
    const known = this.memories.get(replica)
    return (
      known !== undefined && compareIncarnations(known.incarnation, incarnation) === 0 && known.boot === boot && known.nonce === bootNonce
    )
  }

  /** Checks a peer's hello against what is remembered, and remembers it if it holds. */
  check(hello: PeerHello): Verdict {
    const { replica, incarnation, boot } = hello.process
    const named = this.named.get(replica)
    if (named !== undefined && compareIncarnations(incarnation, named) < 0) {
      return {
        ok: false,
        code: 'replaced',
        reason: `replica ${replica} runs on incarnation ${incarnation.number}, but incarnation ${named.number} has replaced it`,
      }
    }
    const known = this.memories.get(replica)
    if (known !== undefined && compareIncarnations(known.incarnation, incarnation) === 0) {
      if (boot < known.boot)
        return {
          ok: false,
          code: 'rolled_back',
          reason: `replica ${replica} says boot ${boot}, but boot ${known.boot} was seen: its volume was rolled back`,
        }
      if (boot === known.boot && hello.bootNonce !== known.nonce) {
        return {
          ok: false,
          code: 'rolled_back',
          reason: `replica ${replica} says boot ${boot}, which another process has used: its volume was copied or rolled back`,
        }
      }
      if (boot > known.boot && hello.logEnd < known.write) {
        return {
          ok: false,
          code: 'rolled_back',
          reason: `the log of replica ${replica} ends at write ${hello.logEnd}, but write ${known.write} was durable there: its volume was rolled back`,
        }
      }
    }
    const write =
      known !== undefined && compareIncarnations(known.incarnation, incarnation) === 0 ? Math.max(known.write, hello.logEnd) : hello.logEnd
    this.set({ replica, incarnation, boot, nonce: hello.bootNonce, write })
    this.name(replica, incarnation)
    return { ok: true }
  }

  /** The last write of the replica's log that is known to have been durable, 0 if nothing is known. */
  writeOf(replica: number): number {
    return this.memories.get(replica)?.write ?? 0
  }

  /** The peer's frame names its last durable write. */
  noteWrite(replica: number, write: number): void {
    const known = this.memories.get(replica)
    if (known !== undefined && write > known.write) this.set({ ...known, write })
  }

  private set(memory: PeerMemory): void {
    this.memories.set(memory.replica, memory)
    this.dirty.add(memory.replica)
  }

  /** Puts what changed since the last call into the log, to ride in its next write. */
  logChanges(log: MemoryLog): void {
    for (const replica of this.dirty) this.loggedIn.set(replica, log.peer(this.memories.get(replica) as PeerMemory))
    for (const replica of this.dirtyNames) log.named(replica, this.named.get(replica) as Incarnation)
    this.dirty.clear()
    this.dirtyNames.clear()
  }

  /** The write that carries what is remembered of the replica now; it is put into the log if none does yet. */
  remember(replica: number, log: MemoryLog): number {
    if (this.dirty.has(replica)) {
      this.logChanges(log)
      log.force()
    }
    return this.loggedIn.get(replica) ?? 0
  }

  /** Puts all of it into the log: what stands in older segments may go. */
  logAll(log: MemoryLog): void {
    for (const memory of this.memories.values()) log.peer(memory)
    for (const [replica, incarnation] of this.named) log.named(replica, incarnation)
  }

  all(): PeerMemory[] {
    return [...this.memories.values()]
  }
}
