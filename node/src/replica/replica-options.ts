/** What a replica is made with: its volume, the world that it lives in, and its limits. */
import type { Incarnation } from '@thermocline/protocol'
import type { Engine } from '../engine/port.ts'
import type { Clock, LogFolder, PeerNetwork } from '../io/ports.ts'
import type { ChosenEntry } from '../paxos/core.ts'
import type { AdmissionLimits } from './admission.ts'
import type { Volume } from './volume.ts'

export interface ReplicaOptions {
  readonly volume: Volume
  /** Random per process, 16 hexadecimal digits. */
  readonly bootNonce: string
  readonly replicaCount: number
  readonly engine: Engine
  readonly clock: Clock
  readonly random: () => number
  /** Random bytes that nobody can guess, as hexadecimal digits. */
  readonly randomHex: (bytes: number) => string
  readonly logFolder: LogFolder
  readonly network: PeerNetwork
  readonly segmentBytes: number
  readonly retainSegments: number
  readonly limits: AdmissionLimits
  /** Answers of the request table at most, of all blocks together. */
  readonly maxAnswers: number
  readonly answerAgeMs: number
  /** In which the digests of all blocks are compared with the other replicas' once; 0: never. */
  readonly auditMs: number
  /** Replicas of a block in priority order. */
  readonly priority: (block: number) => readonly number[]
  /** True if this group owns the block, by the topology in force. */
  readonly owns: (block: number) => boolean
  readonly epoch: () => number
  /** Whether the topology fills the slot with this incarnation: a volume that was never replaced is a member only then (⚖15). */
  readonly isNamed: (replica: number, incarnation: Incarnation) => boolean
  readonly onEpochSeen: (epoch: number) => void
  readonly warn: (what: string, fields: Record<string, unknown>) => void
  /** A peer broke the protocol; its message was ignored. */
  readonly violated: (what: string) => void
  /** The store cannot go on: report and exit (a failed sync, a bug). */
  readonly fatal: (error: Error) => void
  /** This volume was rolled back or replaced: nothing it says counts any more, and it has to rejoin. */
  readonly onRejected: (message: string) => void
  /** A learner votes in every block again, durably so. */
  readonly onComplete: () => void
  /** Sees every entry as it is applied: for the simulator's invariants. */
  readonly observer?: (entry: ChosenEntry) => void
}
