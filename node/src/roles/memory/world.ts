/** What a memory node needs of the process that it runs in. */
import type { Client, ConnectOptions } from '@thermocline/client'
import type { Complaints } from '../../doors/complaints.ts'
import type { Traffic } from '../../doors/traffic.ts'
import type { Clock, StreamServer } from '../../io/ports.ts'

export interface MemoryWorld {
  readonly clock: Clock
  readonly randomHex: (bytes: number) => string
  /** The data port. */
  readonly server: StreamServer
  readonly traffic: Traffic
  readonly complaints: Complaints
  /** To the storage tier. */
  readonly connect: (options: ConnectOptions) => Promise<Client>
  readonly log: {
    info(fields: Record<string, unknown>, message: string): void
    warn(fields: Record<string, unknown>, message: string): void
  }
}
