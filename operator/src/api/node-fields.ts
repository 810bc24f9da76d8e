/** Fields that every kind with nodes has, in its spec and in its status. */
import { z } from 'zod'
import { BYTES_PATTERN, DURATION_PATTERN } from './quantity.ts'

export const bytes = (description: string) =>
  z.string().regex(new RegExp(BYTES_PATTERN), 'expected a quantity like 10Gi').meta({ description })
export const duration = (description: string) =>
  z.string().max(32).regex(new RegExp(DURATION_PATTERN), 'expected a duration like 24h, 90m or 7d').meta({ description })

const resourceList = z.record(z.string(), z.union([z.string(), z.number()])).meta({ 'x-kubernetes-quantities': true })
export const resourceRequirements = z.strictObject({ requests: resourceList.optional(), limits: resourceList.optional() })

export const image = z.string().min(1).max(500).optional().meta({ description: 'Image of the nodes; the operator’s own by default.' })
export const imagePullPolicy = z.enum(['Always', 'IfNotPresent', 'Never']).default('IfNotPresent').meta({ description: 'As for any pod.' })

/** `who` shares a zone or waits. */
export const zones = (who: string) =>
  z
    .strictObject({
      topologyKey: z
        .string()
        .min(1)
        .max(316)
        .default('topology.kubernetes.io/zone')
        .meta({ description: 'The node label that names a zone.' }),
      policy: z
        .enum(['Required', 'Preferred'])
        .default('Preferred')
        .meta({ description: `Required: a ${who} waits rather than share a zone. Preferred: it shares one if it must.` }),
    })
    .prefault({})
    .meta({ description: `How the ${who}s of a group are spread.` })

export const podTemplate = z
  .strictObject({
    metadata: z
      .strictObject({ labels: z.record(z.string(), z.string()).optional(), annotations: z.record(z.string(), z.string()).optional() })
      .optional()
      .meta({ description: 'Labels and annotations added to the pods.' }),
    spec: z.record(z.string(), z.unknown()).optional().meta({
      'x-kubernetes-preserve-unknown-fields': true,
      description:
        'Any part of a pod’s spec, merged strategically: lists by name. What gives rights, secrets or commands needs a grant of the operator’s chart (podTemplate.grants).',
    }),
  })
  .optional()
  .meta({ description: 'What is laid over the pods that the operator makes.' })

export const CONDITION_TYPES = ['Accepted', 'Available', 'Progressing', 'Degraded', 'Upgrading'] as const

const condition = z.strictObject({
  type: z.enum(CONDITION_TYPES),
  status: z.enum(['True', 'False', 'Unknown']),
  observedGeneration: z.number().int().min(0).optional(),
  lastTransitionTime: z.iso.datetime(),
  reason: z.string().max(1024),
  message: z.string().max(32_768),
})

export const conditions = z
  .array(condition)
  .optional()
  .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] })

export type ResourceRequirements = z.infer<typeof resourceRequirements>
export type Zones = z.infer<ReturnType<typeof zones>>
export type Condition = z.infer<typeof condition>
export type ConditionType = (typeof CONDITION_TYPES)[number]
