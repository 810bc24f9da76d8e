/** With the faults gone, all replicas come to the same index of every block, and nothing stays open. */
import type { BlockState } from '../../../src/paxos/block-state.ts'
import type { Replica } from '../../../src/replica/replica.ts'
import { Violation } from '../violation.ts'

/** Entries decided so far, by block. */
export interface Decisions {
  readonly blocks: Iterable<number>
  lastIndex(block: number): number
}

/** What is still missing, undefined if nothing is. */
export function disagreement(replicas: readonly (Replica | undefined)[], decided: Decisions): string | undefined {
  for (const [number, replica] of replicas.entries()) {
    if (replica === undefined) return `replica ${number} does not run`
    if (replica.core.chosenEntries.length > 0) return `replica ${number} has entries to apply`
    if (!replica.rejoin.isComplete) return `replica ${number} votes in ${replica.core.votes.size} blocks only`
  }
  for (const block of decided.blocks) {
    const states = replicas.map((replica) => (replica as Replica).core.block(block))
    const indexes = states.map((state) => state.chosen)
    if (new Set(indexes).size > 1) return `block ${block} is at ${indexes.join(', ')}`
    const open = states.findIndex((state) => (replicas[0] as Replica).core.isOpen(state))
    if (open >= 0) return `block ${block} is open at replica ${open}: ${describe(states[open] as BlockState)}`
    if ((indexes[0] as number) !== decided.lastIndex(block))
      return `block ${block} is at ${indexes[0]}, but ${decided.lastIndex(block)} was applied once`
  }
  return undefined
}

/** `owed`: requests that memory machines took and have not answered. */
export function failToConverge(afterMs: number, missing: string | undefined, busyClients: number, owed: number): never {
  throw new Violation(
    'converges',
    `${afterMs} ms after the last fault: ${missing ?? ''} ${busyClients} clients wait, memory machines owe ${owed} answers`,
  )
}

function describe(state: BlockState): string {
  const { chosen, acceptedRound, promisedRound, phase, settle, isCopying, inReady, inOpen } = state
  return JSON.stringify({
    chosen,
    acceptedRound,
    promisedRound,
    phase,
    settle,
    isCopying,
    inReady,
    inOpen,
    queue: state.queue.length,
    inFlight: state.inFlight.length,
  })
}
