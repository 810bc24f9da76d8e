/** What a memory node needs of the process that it runs in. */
import type { Client, ConnectOptions } from '@thermocline/client'
import type { Complaints } from '../../doors/complaints.ts'
import type { Traffic } from '../../doors/traffic.ts'
import type { Clock, StreamServer } from '../../io/ports.ts'
import type { Tier } from '../../tier/tier.ts'
import type { HotPages, HotPagesQuery } from './hot-pages.ts'

export interface MemoryWorld {
  readonly clock: Clock
  readonly randomHex: (bytes: number) => string
  /** The data port. */
  readonly server: StreamServer
  readonly traffic: Traffic
  readonly complaints: Complaints
  /** The cache, which outlives the process where `path` names a file. */
  readonly openTier: (options: ConstructorParameters<typeof Tier>[0]) => Tier
  /** A piece of a peer's ring. @throws NotNow; Error if the peer has nothing for this cache. */
  readonly fetchHotPages: (http: string, query: HotPagesQuery, signal: AbortSignal) => Promise<HotPages>
  /** To the storage tier. */
  readonly connect: (options: ConnectOptions) => Promise<Client>
  readonly log: {
    info(fields: Record<string, unknown>, message: string): void
    warn(fields: Record<string, unknown>, message: string): void
  }
}
