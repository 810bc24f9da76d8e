/**
 * The topology that is in force on this node: persisted, handed out, watched. The operator is its only writer; a node
 * takes over a newer epoch and refuses an older one, or the same with other content (design §8).
 */
import { crc32 } from 'node:zlib'
import { canonicalTopology, parseTopology, ThermoclineError, type Topology } from '@thermocline/protocol'
import type { Clock, StateFiles } from '../../io/ports.ts'

export const TOPOLOGY_FILE = 'topology.json'
/** Watchers that wait at once; more are answered at once, as if their time were up. */
const MAX_WATCHERS = 16_384

export class TopologyStore {
  private readonly files: StateFiles
  private readonly clock: Clock
  private readonly clusterId: string
  private readonly warn: (what: string, fields: Record<string, unknown>) => void
  private readonly watchers = new Set<() => void>()
  private saving: Promise<void> = Promise.resolve()
  current: Topology | undefined

  constructor(files: StateFiles, clock: Clock, clusterId: string, warn: (what: string, fields: Record<string, unknown>) => void) {
    this.files = files
    this.clock = clock
    this.clusterId = clusterId
    this.warn = warn
  }

  get epoch(): number {
    return this.current?.epoch ?? 0
  }

  /** A file that cannot be read is as good as none: the volume waits, and the operator hands the topology in again. */
  async load(): Promise<void> {
    const bytes = await this.files.read(TOPOLOGY_FILE)
    if (bytes === undefined) return
    try {
      this.current = parseTopologyFile(bytes)
    } catch (error) {
      this.warn(`${TOPOLOGY_FILE} is damaged; the node waits for the topology to be written to it again`, { error: String(error) })
    }
  }

  /**
   * Persists a newer topology and puts it in force.
   * @returns false if it is the one in force already. @throws ThermoclineError `stale_epoch`, `wrong_cluster`.
   */
  install(next: Topology): Promise<boolean> {
    const done = this.saving.then(() => this.installNow(next))
    this.saving = done.then(
      () => undefined,
      () => undefined,
    )
    return done
  }

  private async installNow(next: Topology): Promise<boolean> {
    if (next.clusterId !== this.clusterId) {
      throw new ThermoclineError('wrong_cluster', `topology.clusterId: ${next.clusterId}; this node belongs to ${this.clusterId}`)
    }
    const { current } = this
    if (current !== undefined && next.epoch <= current.epoch) {
      if (next.epoch === current.epoch && canonicalTopology(next) === canonicalTopology(current)) return false
      const why = next.epoch === current.epoch ? 'is in force with other content' : `is older than ${current.epoch}, which is in force`
      throw new ThermoclineError(
        'stale_epoch',
        `topology.epoch: ${next.epoch} ${why}; fetch the current topology, edit that and raise its epoch`,
      )
    }
    await this.files.replace(TOPOLOGY_FILE, encodeTopologyFile(next))
    this.current = next
    for (const wake of [...this.watchers]) wake()
    return true
  }

  /** Resolves when an epoch above `known` is in force, or with undefined after `waitMs` or on abort. */
  watch(known: number, waitMs: number, signal: AbortSignal | undefined): Promise<Topology | undefined> {
    if (this.epoch > known) return Promise.resolve(this.current)
    if (waitMs <= 0 || signal?.aborted === true || this.watchers.size >= MAX_WATCHERS) return Promise.resolve(undefined)
    return new Promise((resolve) => {
      const finish = (topology: Topology | undefined): void => {
        cancel()
        this.watchers.delete(wake)
        signal?.removeEventListener('abort', abort)
        resolve(topology)
      }
      const wake = (): void => {
        if (this.epoch > known) finish(this.current)
      }
      const abort = (): void => finish(undefined)
      const cancel = this.clock.after(waitMs, abort)
      this.watchers.add(wake)
      signal?.addEventListener('abort', abort)
    })
  }

  /** Answers everybody who waits: the node stops. */
  releaseWatchers(): void {
    for (const wake of [...this.watchers]) wake()
  }
}

function checkOf(topology: Topology): string {
  return crc32(canonicalTopology(topology)).toString(16).padStart(8, '0')
}

/** A changed address or incarnation would be believed: the document is stored with its CRC-32. */
function encodeTopologyFile(topology: Topology): Uint8Array {
  return new TextEncoder().encode(`{"topology":${canonicalTopology(topology)},"check":"${checkOf(topology)}"}\n`)
}

/** @throws ThermoclineError, SyntaxError */
export function parseTopologyFile(bytes: Uint8Array): Topology {
  const document = JSON.parse(new TextDecoder().decode(bytes)) as { topology?: unknown; check?: unknown } | null
  const topology = parseTopology(document?.topology)
  if (document?.check !== checkOf(topology)) throw new ThermoclineError('corrupt', `${TOPOLOGY_FILE} fails its checksum`)
  return topology
}
