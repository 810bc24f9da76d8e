/** `/v1/admin/status` of a memory node: facts for people, for `thermocline` and for the operator. The schema is the contract. */
import { z } from 'zod'
import { VERSION } from '../../version.ts'
import type { MemoryConfig } from './config.ts'
import { STATES, WARM_UP_STATES } from './figures.ts'
import type { MemoryNode } from './memory-node.ts'

const count = z.number().int().min(0)

const ring = z.object({
  hits: count,
  misses: count,
  evictions: count,
  torn: count,
  bytes: count,
  oldestSeconds: count.meta({ description: 'when its oldest page was written, in Unix seconds; 0: it is empty' }),
})

const cache = z.object({
  requests: count,
  waiting: count,
  joined: count,
  again: count,
  answered: count,
  notCached: count,
  refused: count,
  overloaded: count,
  validations: count,
  series: count,
  pages: count,
  lookedUp: count,
  found: count,
  later: count,
  unchanged: count,
  absent: count,
  records: count,
  page: count,
  large: count,
  cacheBytes: count,
  warm: count.meta({ description: '1 if the cache outlived the last process' }),
  rings: z.array(ring),
})

export const memoryStatusSchema = z.object({
  role: z.literal('memory'),
  version: z.string(),
  state: z.enum(STATES).meta({ description: '`warming`: it takes over what its peers hold hottest, and serves whoever asks' }),
  reason: z.string().optional().meta({ description: 'why it does not serve, in words' }),
  clusterId: z.string(),
  group: count,
  machine: count,
  epoch: count.meta({ description: 'of the topology in force, 0 before the first' }),
  uptimeMs: count,
  addresses: z.object({ data: z.string(), http: z.string() }),
  clients: count.meta({ description: 'connections to the data port' }),
  traffic: z
    .object({ ratioPercent: count, newerThanMs: count, machines: count })
    .optional()
    .meta({ description: 'of the reads, what the topology in force sends to the memory tier; absent if it has none' }),
  warmUp: z.object({ state: z.enum(WARM_UP_STATES), leftMs: count, pages: count, bytes: count }),
  failedValidations: count.meta({ description: 'validations that the storage tier did not answer' }),
  memory: z.object({ rssBytes: count }),
  cache: cache.optional().meta({ description: 'counts since the process started; absent before the first topology' }),
})

export type MemoryStatus = z.infer<typeof memoryStatusSchema>

const REASONS: Readonly<Record<MemoryNode['state'], string | undefined>> = {
  starting: 'the storage tier has not told its topology yet',
  warming: 'it takes over what its peers hold hottest',
  serving: undefined,
  stopping: 'it is stopping',
}

export const reasonOf = (node: MemoryNode): string | undefined => REASONS[node.state]

export function describeMemoryNode(node: MemoryNode, config: MemoryConfig): MemoryStatus {
  const topology = node.topology()
  const memory = topology?.memory
  return {
    role: 'memory',
    version: VERSION,
    state: node.state,
    reason: reasonOf(node),
    clusterId: config.clusterId,
    group: config.group,
    machine: config.machine,
    epoch: topology?.epoch ?? 0,
    uptimeMs: Math.round(node.uptimeMs()),
    addresses: { data: node.dataAddress, http: node.httpAddress },
    clients: node.clients,
    traffic:
      memory === undefined
        ? undefined
        : { ratioPercent: memory.ratioPercent, newerThanMs: memory.newerThanMs, machines: memory.groups.flat().length },
    warmUp: node.warmUp(),
    failedValidations: node.failedValidations,
    memory: { rssBytes: process.memoryUsage.rss() },
    cache: node.stats() as MemoryStatus['cache'],
  }
}
