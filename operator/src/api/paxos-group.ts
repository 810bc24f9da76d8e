/**
 * The PaxosGroup resource: the storage tier of one cluster. These schemas are the source of the CRD in `crds/`, of the
 * operator's own validation and of the reference page; `make check` compares them.
 */
import { z } from 'zod'
import { bytes, conditions, duration, image, imagePullPolicy, podTemplate, resourceRequirements, zones } from './node-fields.ts'

export const DAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'] as const

const window = z.strictObject({
  days: z
    .array(z.enum(DAYS))
    .min(1)
    .max(7)
    .default([...DAYS])
    .meta({ description: 'Days of the week, in UTC, on which the window opens.' }),
  start: z
    .string()
    .regex(/^([01][0-9]|2[0-3]):[0-5][0-9]$/, 'expected HH:MM')
    .meta({ description: 'When it opens, HH:MM in UTC.' }),
  duration: duration('How long it stays open, like 4h.'),
})

export const paxosGroupSpecSchema = z.strictObject({
  groups: z.number().int().min(1).max(1000).default(1).meta({ description: 'Storage groups: each holds an equal share of the data.' }),
  replicas: z
    .number()
    .int()
    .min(3)
    .max(5)
    .default(3)
    .meta({ description: 'Replicas of each group, 3 or 5. Cannot be changed: a quorum of the old ones would not know the new ones.' }),
  image,
  imagePullPolicy,
  zones: zones('replica'),
  resources: resourceRequirements
    .prefault({ requests: { cpu: '250m', memory: '768Mi' }, limits: { memory: '768Mi' } })
    .meta({ description: 'CPU and memory of a replica. The memory limit is what the node divides among its parts.' }),
  storage: z
    .strictObject({
      className: z
        .string()
        .min(1)
        .max(253)
        .optional()
        .meta({ description: 'Storage class of the volumes; the cluster’s default if left out.' }),
      size: bytes('Size of each replica’s volume. It can grow, and never shrinks.').default('10Gi'),
      retentionPolicy: z
        .enum(['Retain', 'Delete'])
        .default('Retain')
        .meta({ description: 'What becomes of the volume claims when the resource is deleted.' }),
    })
    .prefault({})
    .meta({ description: 'The replicas’ volumes.' }),
  versionCache: z
    .strictObject({ size: bytes('Memory of a replica’s version cache; it outlives a restart of the container.').default('64Mi') })
    .prefault({})
    .meta({ description: 'The version cache, in memory-backed storage.' }),
  sliceDuration: duration('The span of time that makes one page of a series. Cannot be changed: it is in every key.').default('24h'),
  limits: z
    .strictObject({ logBytes: bytes('Log kept on each replica for others to catch up from, at least 64Mi.').default('256Mi') })
    .prefault({})
    .meta({ description: 'Bounds of each replica.' }),
  podTemplate,
  paused: z.boolean().default(false).meta({ description: 'The operator observes and reports, and changes nothing.' }),
  maintenance: z
    .strictObject({ windows: z.array(window).max(20).default([]).meta({ description: 'Empty: at any time.' }) })
    .prefault({})
    .meta({ description: 'When pods may be restarted for a change of the resource. Recovery never waits.' }),
  upgradeStrategy: z
    .strictObject({
      maxUnavailableGroups: z
        .number()
        .int()
        .min(1)
        .max(1000)
        .default(1)
        .meta({ description: 'Groups that may have a replica down for a change at once; within a group it is always one.' }),
    })
    .prefault({})
    .meta({ description: 'How a change of the pods is rolled out.' }),
  replaceAfter: duration('How long a replica must be gone for good before its volume is given up and it starts anew as a learner.').default(
    '5m',
  ),
})

const replicaStatus = z.strictObject({
  replica: z.number().int().min(0),
  pod: z.string(),
  zone: z.string().optional(),
  incarnation: z.string().optional().meta({ description: 'Number and nonce of its volume.' }),
  mode: z.enum(['Voter', 'LearnerOnly', 'Unknown']),
  lag: z.number().int().min(0).optional().meta({ description: 'Chosen entries that it has not applied and another replica has.' }),
  version: z.string().optional(),
  reason: z.string().optional().meta({ description: 'Why it is not a voter, in words.' }),
})

const groupStatus = z.strictObject({ group: z.number().int().min(0), replicas: z.array(replicaStatus) })

export const JOB_TYPES = ['Recovery', 'RollingChange', 'VolumeGrowth'] as const

const job = z.strictObject({
  type: z.enum(JOB_TYPES),
  group: z.number().int().min(0),
  replica: z.number().int().min(0).optional(),
  step: z.string().meta({ description: 'Where it stands; another operator goes on from here.' }),
  startedAt: z.iso.datetime(),
  message: z.string(),
  progress: z.number().int().min(0).max(100).optional().meta({ description: 'Percent.' }),
  etaSeconds: z.number().int().min(0).optional(),
})

export const PHASES = ['Pending', 'Bootstrapping', 'Running', 'Recovering', 'Upgrading', 'Degraded', 'Paused', 'Refused'] as const

export const paxosGroupStatusSchema = z.strictObject({
  observedGeneration: z.number().int().min(0).optional(),
  phase: z.enum(PHASES).optional(),
  clusterId: z.string().optional(),
  topologyEpoch: z.number().int().min(0).optional(),
  groups: z.number().int().min(0).optional().meta({ description: 'Storage groups in force.' }),
  readyReplicas: z.number().int().min(0).optional(),
  voters: z.number().int().min(0).optional(),
  ready: z.string().optional().meta({ description: 'Ready replicas of all, for people.' }),
  votersSummary: z.string().optional().meta({ description: 'Voters of all replicas, for people.' }),
  selector: z.string().optional().meta({ description: 'Selects the pods, for the scale subresource.' }),
  conditions,
  groupStatuses: z
    .array(groupStatus)
    .optional()
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['group'] }),
  jobs: z.array(job).optional(),
})

export type PaxosGroupSpec = z.infer<typeof paxosGroupSpecSchema>
export type PaxosGroupStatus = z.infer<typeof paxosGroupStatusSchema>
export type ReplicaStatus = z.infer<typeof replicaStatus>
export type GroupStatus = z.infer<typeof groupStatus>
export type Job = z.infer<typeof job>
export type Phase = (typeof PHASES)[number]
export type MaintenanceWindow = z.infer<typeof window>
