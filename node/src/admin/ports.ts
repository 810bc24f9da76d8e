/** What the HTTP side asks of the rest of the node: it knows neither replica nor engine. */
import type { Incarnation, Topology } from '@thermocline/protocol'
import type { NodeRequest } from '../doors/node-request.ts'

export type NodeState = 'starting' | 'joining' | 'learning' | 'serving' | 'stopping' | 'failed' | 'foreign'

/** Facts about this process; the operator decides by them. Everything is JSON. */
export interface NodeStatus {
  readonly role: 'storage'
  readonly version: string
  /**
   * `joining`: no topology names this volume yet, or it waits for its next incarnation; `learning`: as Learner-Only; `foreign`: what
   * is on the volume is not this replica's, and nothing of it is touched.
   */
  readonly state: NodeState
  /** Why it is not serving, in words. */
  readonly reason: string | undefined
  readonly clusterId: string | undefined
  readonly group: number
  readonly replica: number
  readonly incarnation: Incarnation
  readonly boot: number
  /** While the state is `foreign`: whose the volume is, if it says so. */
  readonly owner?: VolumeName | undefined
  /** `fresh`: no topology has filled the slot with this volume yet; `learner`: it votes block by block, as it learns. */
  readonly standing: 'fresh' | 'voter' | 'learner'
  readonly mode: 'Voter' | 'LearnerOnly' | 'Unknown'
  readonly epoch: number
  readonly uptimeMs: number
  readonly addresses: { readonly data: string; readonly http: string }
  readonly blocks: { readonly known: number; readonly open: number; readonly behind: number }
  /** Sum over blocks of the index up to which everything is chosen and applied. */
  readonly chosenTotal: number
  readonly peers: readonly {
    readonly replica: number
    readonly connected: boolean
    readonly live: boolean
    readonly reason: string | undefined
    readonly chosenTotal: number
  }[]
  /** While the replica learns (design §4.4): how far it has come. */
  readonly learner: LearnerProgress | undefined
  readonly writes: { readonly state: 'accepted' | 'disk_full' | 'overloaded' }
  readonly log: { readonly segments: number; readonly bytes: number; readonly writeNumber: number }
  readonly memory: { readonly limitBytes: number; readonly rssBytes: number }
  /** Figures by metric name without the `thermocline_` prefix: monotone counters and gauges. */
  readonly counters: Readonly<Record<string, number>>
  readonly gauges: Readonly<Record<string, number>>
}

/** What a volume says of itself. */
export interface VolumeName {
  readonly clusterId: string
  readonly group: number
  readonly replica: number
}

export interface LearnerProgress {
  readonly blocks: number
  /** Blocks it votes in again. */
  readonly voting: number
  /** Blocks whose barrier is not known yet. */
  readonly unasked: number
  /**
   * Blocks that it cannot get back to voting in (NeedsOperator): too few of the other replicas vote in them, or copies still
   * differ after several.
   */
  readonly stuck: number
  readonly copiedBytes: number
  /** Comparisons of digests in which a voter had another than this replica. */
  readonly mismatches: number
  readonly elapsedMs: number
  /** At the mean rate so far; undefined before the first block. */
  readonly etaMs: number | undefined
}

export interface BlockDigest {
  readonly block: number
  readonly index: number
  readonly digest: string
}

export interface DataService {
  /** Takes a request as it would from the data port (bodies: protocol/src/client-messages.ts), and answers it once. */
  submit(request: NodeRequest): void
}

export interface AdminService {
  status(): NodeStatus
  /**
   * Moves what is on a foreign volume aside, and ends the process, so that the next one begins on an empty one. Resolves to where it
   * is now. @throws ThermoclineError `invalid_argument` if the volume is this replica's own.
   */
  setVolumeAside(): Promise<string>
  /** Digests of all known blocks at their applied indexes. */
  digests(): BlockDigest[]
  topology(): Topology | undefined
  /**
   * Persists and takes over a newer topology. The same epoch with the same content is a no-op.
   * @throws ThermoclineError `stale_epoch` (older, or equal with other content), `wrong_cluster`, `invalid_argument`.
   */
  installTopology(topology: Topology): Promise<void>
  /** Resolves when an epoch above `knownEpoch` is in force, or with undefined after `waitMs` or on abort. */
  watchTopology(knownEpoch: number, waitMs: number, signal: AbortSignal): Promise<Topology | undefined>
}
