/** All protocols that are fuzzed. */
import { engineRequests } from './engine-requests.ts'
import { entries } from './entries.ts'
import { memoryTier, pageCacheFile } from './memory-tier.ts'
import type { Protocol } from './protocol.ts'
import { snapshots } from './snapshots.ts'

export const PROTOCOLS: readonly Protocol[] = [engineRequests, entries, memoryTier, pageCacheFile, snapshots]
