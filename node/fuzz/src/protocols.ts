/** All protocols that are fuzzed. */
import { dataPort } from './data-port.ts'
import { engineRequests } from './engine-requests.ts'
import { entries } from './entries.ts'
import { httpPort } from './http-port.ts'
import { logRecords } from './log-records.ts'
import { memoryTier, pageCacheFile } from './memory-tier.ts'
import { peerMessages } from './peer-messages.ts'
import type { Protocol } from './protocol.ts'
import { snapshots } from './snapshots.ts'
import { versionCacheFile } from './version-cache-file.ts'

export const PROTOCOLS: readonly Protocol[] = [
  dataPort,
  httpPort,
  peerMessages,
  engineRequests,
  entries,
  snapshots,
  memoryTier,
  pageCacheFile,
  versionCacheFile,
  logRecords,
]
