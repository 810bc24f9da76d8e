/**
 * A data directory that is not this replica's: of another cluster, group or slot, or it does not say whose it is. Nothing of it is
 * served or changed. The status says what was found; on the operator's order it is moved aside by one rename, whole, so that the next
 * process begins on an empty directory and learns. Nothing is ever deleted: it may be the only copy of somebody's data.
 */
import { ThermoclineError, type Topology } from '@thermocline/protocol'
import type { AdminService, BlockDigest, DataService, NodeStatus, VolumeName } from '../../admin/ports.ts'
import type { NodeConfig } from '../../config.ts'
import type { NodeRequest } from '../../doors/node-request.ts'
import type { Traffic } from '../../doors/traffic.ts'
import type { Clock } from '../../io/ports.ts'
import { refuse } from '../../replica/requests.ts'
import { VERSION } from '../../version.ts'
import { describeReplica } from './status.ts'

export interface ForeignVolumeWorld {
  readonly clock: Clock
  readonly traffic: Traffic
  /** Renames the data directory, durably; resolves to its new path. */
  readonly moveAside: () => Promise<string>
  /** Ends the process so that it is started again, once what is being answered has left. */
  readonly restart: (reason: string) => void
}

export interface Found {
  /** Undefined: it does not say. */
  readonly owner: VolumeName | undefined
  readonly reason: string
}

export class ForeignVolume implements DataService, AdminService {
  private readonly config: NodeConfig
  private readonly found: Found
  private readonly world: ForeignVolumeWorld
  private readonly startedMs: number
  private moving: Promise<string> | undefined
  httpAddress = ''

  constructor(config: NodeConfig, found: Found, world: ForeignVolumeWorld) {
    this.config = config
    this.found = found
    this.world = world
    this.startedMs = world.clock.nowMs()
  }

  status(): NodeStatus {
    const { config, found, world } = this
    return {
      role: 'storage',
      version: VERSION,
      state: 'foreign',
      reason: found.reason,
      clusterId: config.clusterId,
      group: config.group,
      replica: config.replica,
      incarnation: { number: 0, nonce: '0'.repeat(16) },
      boot: 0,
      owner: found.owner,
      // Never `fresh`: whoever overlooks the state must not take it for one that could fill a slot.
      standing: 'learner',
      mode: 'Unknown',
      epoch: 0,
      uptimeMs: Math.round(world.clock.nowMs() - this.startedMs),
      addresses: { data: '', http: this.httpAddress },
      ...describeReplica(undefined, undefined, { clients: 0, traffic: world.traffic }),
      memory: { limitBytes: config.memoryBytes, rssBytes: process.memoryUsage.rss() },
    }
  }

  /** Once; asked again while it is under way, it answers the same. */
  setVolumeAside(): Promise<string> {
    this.moving ??= this.move()
    return this.moving
  }

  private async move(): Promise<string> {
    const { found, world } = this
    try {
      const path = await world.moveAside()
      world.restart(`${found.reason}; it was moved aside, to ${path}`)
      return path
    } catch (error) {
      this.moving = undefined
      throw error
    }
  }

  submit(request: NodeRequest): void {
    refuse(request, 'unavailable', 0, this.found.reason)
  }

  digests(): BlockDigest[] {
    return []
  }

  topology(): Topology | undefined {
    return undefined
  }

  async installTopology(): Promise<void> {
    throw new ThermoclineError('wrong_cluster', this.found.reason)
  }

  async watchTopology(): Promise<Topology | undefined> {
    return undefined
  }
}
