/**
 * The topology: one versioned document that the operator (or `thermocline up`) writes, nodes persist and hand out, and
 * clients watch (design §8). The schema is the contract; the digest tells two documents of one epoch apart.
 */
import { z } from 'zod'
import {
  DEFAULT_SLICE_DURATION_MS,
  DEFAULT_WARM_UP_MS,
  MAX_GROUPS,
  MAX_ID_MS,
  MAX_MEMORY_MACHINES,
  MAX_REPLICAS,
  MAX_WARM_UP_MS,
  MIN_SLICE_DURATION_MS,
} from './constants.ts'
import { ThermoclineError } from './errors.ts'

const address = z.string().regex(/^[^\s:]+:\d{1,5}$|^\[[0-9a-f:]+\]:\d{1,5}$/i, 'expected host:port')

export const incarnationSchema = z.strictObject({
  number: z.number().int().min(0).max(0xffffffff),
  nonce: z.string().regex(/^[0-9a-f]{16}$/, 'expected 16 hexadecimal digits'),
})

export const replicaSchema = z.strictObject({
  replica: z
    .number()
    .int()
    .min(0)
    .max(MAX_REPLICAS - 1),
  /** Where the data port listens. */
  data: address,
  /** Where the HTTP port listens. */
  http: address,
  zone: z.string().max(253).default(''),
  /** The volume that may vote in this slot. */
  incarnation: incarnationSchema,
})

export const groupSchema = z.strictObject({
  group: z
    .number()
    .int()
    .min(0)
    .max(MAX_GROUPS - 1),
  replicas: z.array(replicaSchema).min(1).max(MAX_REPLICAS),
})

export const memoryMachineSchema = z.strictObject({
  /** Where the data port listens. */
  data: address,
  /** Where the HTTP port listens. */
  http: address,
  zone: z.string().max(253).default(''),
})

/** The memory tier: which machines read for which blocks, and what of the reads goes there. */
export const memorySchema = z.strictObject({
  /** Memory groups 0…m−1; block → group is the static table of m. Machines of a group hold the same. */
  groups: z.array(z.array(memoryMachineSchema).max(MAX_MEMORY_MACHINES)).min(1).max(MAX_GROUPS),
  /** Records older than this are read from the storage tier; 0: none are too old. */
  newerThanMs: z.number().int().min(0).max(MAX_ID_MS).default(0),
  /** Of the reads that could go to the memory tier, how many in a hundred do. */
  ratioPercent: z.number().int().min(0).max(100).default(100),
  /** How long the share of a machine that begins with an empty cache takes to grow to that of its peers. */
  warmUpMs: z.number().int().min(0).max(MAX_WARM_UP_MS).default(DEFAULT_WARM_UP_MS),
})

export const topologySchema = z
  .strictObject({
    formatVersion: z.literal(1),
    clusterId: z.string().regex(/^[0-9a-f]{32}$/, 'expected 32 hexadecimal digits'),
    epoch: z.number().int().min(1).max(0xffffffff),
    sliceDurationMs: z.number().int().min(MIN_SLICE_DURATION_MS).max(0xffffffff).default(DEFAULT_SLICE_DURATION_MS),
    /** Of the cluster’s history: a restore and a forced recovery raise it, and nothing that was cached before counts (design §5). */
    restoreGeneration: z.number().int().min(0).max(0xffffffff).default(0),
    /** Storage groups 0…n−1; block → group is the static table of n. */
    groups: z.array(groupSchema).min(1).max(MAX_GROUPS),
    memory: memorySchema.optional(),
  })
  .check((context) => {
    const { groups } = context.value
    const replicas = groups[0]?.replicas.length ?? 0
    groups.forEach((group, index) => {
      if (group.group !== index) fail(['groups', index, 'group'], group.group, `is out of order; expected ${index}`)
      if (group.replicas.length !== replicas || replicas % 2 === 0)
        fail(['groups', index, 'replicas'], group.replicas.length, 'replicas; expected the same odd number in every group')
      group.replicas.forEach((replica, slot) => {
        if (replica.replica !== slot)
          fail(['groups', index, 'replicas', slot, 'replica'], replica.replica, `is out of order; expected ${slot}`)
      })
    })
    function fail(path: (string | number)[], input: unknown, message: string): void {
      context.issues.push({ code: 'custom', path, input, message: `${String(input)} ${message}` })
    }
  })

export type Replica = z.infer<typeof replicaSchema>
export type Group = z.infer<typeof groupSchema>
export type MemoryTopology = z.infer<typeof memorySchema>
export type Topology = z.infer<typeof topologySchema>

/**
 * Checks a document from outside.
 * @throws ThermoclineError `invalid_argument`, naming the first wrong field, its value and what was expected.
 */
export function parseTopology(document: unknown): Topology {
  const parsed = topologySchema.safeParse(document)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw new ThermoclineError('invalid_argument', `topology.${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'is not valid'}`)
}

/** Canonical JSON: keys sorted, no spaces. Two documents are the same exactly when these are. */
export function canonicalTopology(topology: Topology): string {
  return JSON.stringify(topology, (_key, value: unknown) =>
    value !== null && typeof value === 'object' && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  )
}
