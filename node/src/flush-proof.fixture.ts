/**
 * ⚖11 judged on what a power cut has left: no entry is flushed before the log surely says that it was chosen. A group of one
 * cannot lose by that, and a larger one only if it settles the instance otherwise later; so what is served does not tell.
 *
 * A block whose engine is at index p, and whose log holds an accept of an instance ≤ p, must have a proof for the last such
 * instance in the log too: a mark, an entry that was learned, or an accept of a later instance, which names what came before.
 */
import type { Incarnation } from '@thermocline/protocol'
import type { BlockPosition } from './engine/port.ts'
import type { LogFile, LogFolder } from './io/ports.ts'
import { ProcessTable } from './paxos/processes.ts'
import { type ReplayHandler, replayLog } from './wal/replay.ts'

class Proofs implements ReplayHandler {
  /** By block: the instances accepted, and the last one that is proven chosen. */
  readonly accepted = new Map<number, number[]>()
  readonly proven = new Map<number, number>()

  private prove(block: number, instance: number): void {
    this.proven.set(block, Math.max(instance, this.proven.get(block) ?? 0))
  }

  onAccept(block: number, instance: number): void {
    this.accepted.set(block, [...(this.accepted.get(block) ?? []), instance])
    this.prove(block, instance - 1)
  }

  onLearned(block: number, instance: number): void {
    this.prove(block, instance)
  }

  onChosen(block: number, instance: number): void {
    this.prove(block, instance)
  }

  onCopyEnd(block: number, index: number): void {
    this.prove(block, index)
  }

  onFlushed(): void {}
  onPromise(): void {}
  onPeer(): void {}
  onCopyBegin(): void {}
  onNamed(_replica: number, _incarnation: Incarnation): void {}
  onVotes(): void {}
  onAside(): void {}
  onBoot(): void {}
}

export type FlushProof = (positions: readonly BlockPosition[]) => string | undefined

/** Reads the log as it lies there, before a node opens it. What it returns says what is wrong, if the engine was at `positions` then. */
export async function readFlushProof(folder: LogFolder, segmentBytes: number, volumeNonce: string): Promise<FlushProof> {
  const proofs = new Proofs()
  const files: LogFile[] = []
  const opening: LogFolder = {
    list: () => folder.list(),
    open: async (name) => {
      const file = await folder.open(name)
      files.push(file)
      return file
    },
    create: () => Promise.reject(new Error('the log is only read')),
    remove: () => Promise.reject(new Error('the log is only read')),
  }
  try {
    await replayLog(opening, segmentBytes, volumeNonce, new ProcessTable(), proofs, async () => {})
  } catch {
    // The node that opens it says so itself.
    return () => undefined
  } finally {
    await Promise.all(files.map((file) => file.close()))
  }
  return (positions) => {
    for (const { block, index } of positions) {
      const last = Math.max(0, ...(proofs.accepted.get(block) ?? []).filter((instance) => instance <= index))
      const proven = proofs.proven.get(block) ?? 0
      if (last > proven) return `⚖11: block ${block} is flushed up to ${index}; the log accepts ${last}, and proves only ${proven}`
    }
    return undefined
  }
}
