/**
 * CustomResourceDefinitions from zod schemas. JSON Schema says more than Kubernetes takes: a *structural* schema knows no
 * unions of types, no `additionalProperties: false` and no `$schema`, and wants a type everywhere.
 */
import { z } from 'zod'
import { memoryGroupSpecSchema, memoryGroupStatusSchema } from './memory-group.ts'
import { API_GROUP, API_VERSION, MEMORY_GROUP, PAXOS_GROUP } from './names.ts'
import { paxosGroupSpecSchema, paxosGroupStatusSchema } from './paxos-group.ts'
import { MEMORY_GROUP_RULES, PAXOS_GROUP_RULES, type Rule } from './rules.ts'

/** JSON, as it stands in a manifest. */
export type Json = { readonly [key: string]: unknown }
type Mutable = Record<string, unknown>

const QUANTITY = {
  anyOf: [{ type: 'integer' }, { type: 'string' }],
  'x-kubernetes-int-or-string': true,
}
const MAX_INT32 = 2 ** 31 - 1
/** Written by our schemas for this generator only. */
const QUANTITIES_MARK = 'x-kubernetes-quantities'
/** Keywords of JSON Schema that a structural schema has no place for. */
const DROPPED = new Set(['$schema', 'additionalProperties', 'propertyNames', 'id', '$id', QUANTITIES_MARK])

/** The structural schema of what people write (defaults not filled in). */
export function structuralSchema(schema: z.ZodType): Json {
  return structural(z.toJSONSchema(schema, { target: 'openapi-3.0', io: 'input', unrepresentable: 'any' }) as Json)
}

function structural(schema: Json): Json {
  if (schema[QUANTITIES_MARK] === true) return { type: 'object', additionalProperties: QUANTITY }
  if (schema['x-kubernetes-preserve-unknown-fields'] === true) {
    return { ...described(schema), type: 'object', 'x-kubernetes-preserve-unknown-fields': true }
  }
  const result: Mutable = {}
  for (const [key, value] of Object.entries(schema)) {
    if (key === 'properties') {
      result.properties = Object.fromEntries(Object.entries(value as Json).map(([name, inner]) => [name, structural(inner as Json)]))
    } else if (key === 'items') result.items = structural(value as Json)
    else if (!DROPPED.has(key)) result[key] = value
  }
  // A map of values of one type: what a record of strings becomes.
  const values = schema.additionalProperties
  if (schema.properties === undefined && typeof values === 'object' && values !== null)
    result.additionalProperties = structural(values as Json)
  if (result.type === 'integer') setFormat(result)
  // The format says it all; zod's pattern for a time is long, and no easier on people than on the server.
  if (result.format === 'date-time') delete result.pattern
  return result
}

/** A server refuses every value of a field whose bounds do not fit its format. zod bounds by what a double holds exactly. */
function setFormat(integer: Mutable): void {
  if (integer.maximum === Number.MAX_SAFE_INTEGER) delete integer.maximum
  if (integer.minimum === Number.MIN_SAFE_INTEGER) delete integer.minimum
  integer.format = typeof integer.maximum === 'number' && integer.maximum <= MAX_INT32 ? 'int32' : 'int64'
}

const described = ({ description }: Json): Json => (description === undefined ? {} : { description })

/** The schema with each rule as `x-kubernetes-validations` at its place. */
function withRules(root: Json, rules: readonly Rule[]): Json {
  const copy = structuredClone(root) as Mutable
  for (const { path, cel, message } of rules) {
    let at = copy
    for (const name of path) at = ((at.properties as Mutable)[name] ?? {}) as Mutable
    at['x-kubernetes-validations'] = [...((at['x-kubernetes-validations'] as Json[] | undefined) ?? []), { rule: cel, message }]
  }
  return copy
}

interface CrdOptions {
  /** Servers before 1.25 refuse a definition with rules. */
  readonly withCel: boolean
}

interface Column {
  readonly name: string
  readonly type: 'integer' | 'string' | 'date'
  readonly jsonPath: string
  readonly description: string
  /** Above 0: shown with `--output wide` only. */
  readonly priority?: number
}

/** A kind of ours: all that its definition and its page are made from. */
export interface Kind {
  readonly names: { readonly kind: string; readonly plural: string; readonly singular: string; readonly shortName: string }
  readonly description: string
  readonly spec: z.ZodType
  readonly status: z.ZodType
  readonly rules: readonly Rule[]
  readonly scale: { readonly specReplicasPath: string; readonly statusReplicasPath: string; readonly labelSelectorPath: string }
  readonly columns: readonly Column[]
}

const column = (name: string, type: Column['type'], jsonPath: string, description: string, priority = 0): Column => ({
  name,
  type,
  jsonPath,
  description,
  ...(priority === 0 ? {} : { priority }),
})

export const PAXOS_GROUP_KIND: Kind = {
  names: PAXOS_GROUP,
  description: 'The storage tier of a Thermocline cluster.',
  spec: paxosGroupSpecSchema,
  status: paxosGroupStatusSchema,
  rules: PAXOS_GROUP_RULES,
  scale: { specReplicasPath: '.spec.groups', statusReplicasPath: '.status.groups', labelSelectorPath: '.status.selector' },
  columns: [
    column('Groups', 'integer', '.status.groups', 'Storage groups in force'),
    column('Ready', 'string', '.status.ready', 'Replicas that are ready, of all'),
    column('Voters', 'string', '.status.votersSummary', 'Replicas that vote in every block, of all'),
    column('Phase', 'string', '.status.phase', 'What the operator is at'),
    column('Epoch', 'integer', '.status.topologyEpoch', 'Version of the topology in force'),
    column('Age', 'date', '.metadata.creationTimestamp', 'How old the resource is'),
    column('Available', 'string', '.status.conditions[?(@.type=="Available")].status', 'Whether every group has a majority', 1),
    column('Image', 'string', '.spec.image', 'Image of the nodes', 1),
  ],
}

export const MEMORY_GROUP_KIND: Kind = {
  names: MEMORY_GROUP,
  description: 'The memory tier of a Thermocline cluster: a cache of its storage tier.',
  spec: memoryGroupSpecSchema,
  status: memoryGroupStatusSchema,
  rules: MEMORY_GROUP_RULES,
  scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas', labelSelectorPath: '.status.selector' },
  columns: [
    column('Storage', 'string', '.spec.paxosGroupRef.name', 'The PaxosGroup that it is a cache of'),
    column('Groups', 'integer', '.status.groups', 'Memory groups in force'),
    column('Replicas', 'integer', '.status.replicas', 'Machines of each group'),
    column('Ready', 'string', '.status.ready', 'Machines that are ready, of all'),
    column('Traffic', 'integer', '.spec.trafficPercent', 'Of the reads that could go there, how many in a hundred do'),
    column('Phase', 'string', '.status.phase', 'What the operator is at'),
    column('Age', 'date', '.metadata.creationTimestamp', 'How old the resource is'),
    column('Available', 'string', '.status.conditions[?(@.type=="Available")].status', 'Whether every group has a machine that serves', 1),
    column('Epoch', 'integer', '.status.topologyEpoch', 'Version of the topology in which its settings are in force', 1),
    column('Image', 'string', '.spec.image', 'Image of the nodes', 1),
  ],
}

export const KINDS_OF_OURS: readonly Kind[] = [PAXOS_GROUP_KIND, MEMORY_GROUP_KIND]

export const crdNameOf = ({ names }: Kind): string => `${names.plural}.${API_GROUP}`

/** The schema of a whole resource. */
export function resourceSchema({ description, spec, status }: Kind): Json {
  return {
    type: 'object',
    description,
    required: ['spec'],
    properties: {
      apiVersion: { type: 'string' },
      kind: { type: 'string' },
      metadata: { type: 'object' },
      spec: { ...structuralSchema(spec), description: 'What is wanted.' },
      status: { ...structuralSchema(status), description: 'What is there, as the operator last saw it.' },
    },
  }
}

/** The definition of a kind. */
export function crdOf(kind: Kind, { withCel }: CrdOptions): Json {
  const { plural, singular, shortName, kind: name } = kind.names
  const root = resourceSchema(kind)
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: crdNameOf(kind) },
    spec: {
      group: API_GROUP,
      scope: 'Namespaced',
      names: { kind: name, listKind: `${name}List`, plural, singular, shortNames: [shortName], categories: ['thermocline'] },
      versions: [
        {
          name: API_VERSION,
          served: true,
          storage: true,
          schema: { openAPIV3Schema: withCel ? withRules(root, kind.rules) : root },
          subresources: { status: {}, scale: kind.scale },
          additionalPrinterColumns: kind.columns,
        },
      ],
    },
  }
}
