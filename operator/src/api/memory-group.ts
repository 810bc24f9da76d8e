/**
 * The MemoryGroup resource: the memory tier of one cluster, a cache of its storage tier. Changing what of the reads goes there, or how
 * many machines there are, restarts nothing. These schemas are the source of the CRD in `crds/`, of the operator's own validation and
 * of the reference page; `make check` compares them.
 */
import { MAX_GROUPS, MAX_MEMORY_MACHINES } from '@thermocline/protocol'
import { z } from 'zod'
import { bytes, conditions, duration, image, imagePullPolicy, podTemplate, resourceRequirements, zones } from './node-fields.ts'

export const memoryGroupSpecSchema = z.strictObject({
  paxosGroupRef: z
    .strictObject({
      name: z.string().min(1).max(253).meta({ description: 'The PaxosGroup, in the same namespace. Cannot be changed.' }),
    })
    .meta({ description: 'The storage tier that this is a cache of. One MemoryGroup serves it: the oldest that names it.' }),
  groups: z
    .number()
    .int()
    .min(1)
    .max(MAX_GROUPS)
    .optional()
    .meta({ description: 'Memory groups: each caches an equal share of the data. As many as the storage tier has, if left out.' }),
  replicas: z
    .number()
    .int()
    .min(0)
    .max(MAX_MEMORY_MACHINES)
    .default(2)
    .meta({ description: 'Machines of each group, all of which hold the same; 0 turns the tier off. The scale subresource.' }),
  cache: z
    .strictObject({ size: bytes('Size of each machine’s cache, at least 32Mi. It outlives a restart of the container.').default('1Gi') })
    .prefault({})
    .meta({
      description: 'The cache, in memory-backed storage: it counts against the memory limit, with 192Mi for the process beside it.',
    }),
  newerThan: duration('Records older than this are read from the storage tier, like 3d; none are too old if left out.').optional(),
  trafficPercent: z
    .number()
    .int()
    .min(0)
    .max(100)
    .default(100)
    .meta({ description: 'Of the reads that could go to the memory tier, how many in a hundred do.' }),
  warmUp: z
    .strictObject({
      duration: duration('How long the traffic of a machine that begins with an empty cache takes to grow to that of its peers.').default(
        '30s',
      ),
      prefetch: z
        .boolean()
        .default(true)
        .meta({ description: 'A machine that begins with an empty cache takes over what its peers hold hottest, before it is ready.' }),
    })
    .prefault({})
    .meta({ description: 'How a new machine is warmed.' }),
  image,
  imagePullPolicy,
  zones: zones('machine'),
  resources: resourceRequirements
    .prefault({ requests: { cpu: '250m', memory: '1280Mi' }, limits: { memory: '1280Mi' } })
    .meta({ description: 'CPU and memory of a machine.' }),
  podTemplate,
  paused: z
    .boolean()
    .default(false)
    .meta({ description: 'The operator observes and reports, and changes nothing; a change of the pods stops where it is.' }),
})

const machineStatus = z.strictObject({
  machine: z.number().int().min(0),
  pod: z.string(),
  zone: z.string().optional(),
  ready: z.boolean(),
  listed: z.boolean().meta({ description: 'Clients are told of it.' }),
  version: z.string().optional(),
  reason: z.string().optional().meta({ description: 'Why it is not ready, in words.' }),
})

const memoryGroupPart = z.strictObject({ group: z.number().int().min(0), machines: z.array(machineStatus) })

export const MEMORY_PHASES = ['Pending', 'Starting', 'Running', 'Scaling', 'Upgrading', 'Degraded', 'Off', 'Paused', 'Refused'] as const

export const memoryGroupStatusSchema = z.strictObject({
  observedGeneration: z.number().int().min(0).optional(),
  phase: z.enum(MEMORY_PHASES).optional(),
  topologyEpoch: z
    .number()
    .int()
    .min(0)
    .optional()
    .meta({ description: 'Version of the topology in which what the resource says is in force.' }),
  groups: z.number().int().min(0).optional().meta({ description: 'Memory groups in force.' }),
  replicas: z.number().int().min(0).optional().meta({ description: 'Machines of each group that there are.' }),
  readyReplicas: z.number().int().min(0).optional().meta({ description: 'Ready machines of all groups.' }),
  ready: z.string().optional().meta({ description: 'Ready machines of all, for people.' }),
  selector: z
    .string()
    .optional()
    .meta({ description: 'Selects the pods of the first group, for the scale subresource: what is scaled is the machines of a group.' }),
  conditions,
  groupStatuses: z
    .array(memoryGroupPart)
    .optional()
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['group'] }),
  scalingIn: z
    .strictObject({
      groups: z.number().int().min(0),
      replicas: z.number().int().min(0),
      startedAt: z.iso.datetime(),
      unlistedAt: z.iso.datetime().optional().meta({ description: 'Since when no storage node tells clients of those that are to go.' }),
    })
    .optional()
    .meta({ description: 'What is scaled in to: machines leave the topology first, and end when nobody is sent to them any more.' }),
})

export type MemoryGroupSpec = z.infer<typeof memoryGroupSpecSchema>
export type MemoryGroupStatus = z.infer<typeof memoryGroupStatusSchema>
export type MemoryPhase = (typeof MEMORY_PHASES)[number]
export type MachineStatus = z.infer<typeof machineStatus>
