/** The definition of PaxosGroup as manifests, and the page on its fields; both from the operator's schemas. */
import { stringify } from 'yaml'
import { type Json, paxosGroupCrd, structuralSchema } from '../../operator/src/api/crd.ts'
import { paxosGroupSpecSchema, paxosGroupStatusSchema } from '../../operator/src/api/paxos-group.ts'
import { PAXOS_GROUP_RULES } from '../../operator/src/api/rules.ts'
import { code, page, table } from './markdown.ts'

const NOTE = '# Generated from operator/src/api/paxos-group.ts and rules.ts by `make fix`; change those instead.\n'

/** Path → content: for people (`kubectl apply`), and for the chart. */
export function crdManifests(): Record<string, string> {
  const manifest = (withCel: boolean) => NOTE + stringify(paxosGroupCrd({ withCel }), { lineWidth: 0, aliasDuplicateObjects: false })
  const file = 'paxosgroups.thermocline.dev.yaml'
  const [withCel, withoutCel] = [manifest(true), manifest(false)]
  return {
    [`crds/${file}`]: withCel,
    [`crds/without-cel/${file}`]: withoutCel,
    [`charts/thermocline/files/crds/with-cel/${file}`]: withCel,
    [`charts/thermocline/files/crds/without-cel/${file}`]: withoutCel,
  }
}

const isLeaf = (schema: Json): boolean => schema.properties === undefined && (schema.items as Json | undefined)?.properties === undefined

function typeOf(schema: Json): string {
  if (schema['x-kubernetes-preserve-unknown-fields'] === true) return 'object'
  if (schema.enum !== undefined) return (schema.enum as string[]).join(', ')
  if (schema.type === 'array') return `list of ${typeOf(schema.items as Json)}`
  const values = schema.additionalProperties as Json | undefined
  if (values !== undefined) return `map of ${values['x-kubernetes-int-or-string'] === true ? 'quantity' : typeOf(values)}`
  const { minimum, maximum } = schema
  if (schema.type === 'integer' && minimum !== undefined && maximum !== undefined) return `integer, ${minimum} to ${maximum}`
  return schema.format === 'date-time' ? 'time' : (schema.type as string)
}

function rows(schema: Json, path: string, required: boolean): string[][] {
  const below = (schema.properties ?? (schema.items as Json | undefined)?.properties ?? {}) as Readonly<Record<string, Json>>
  const must = ((schema.required ?? (schema.items as Json | undefined)?.required ?? []) as string[]).slice()
  const here = schema.type === 'array' && !isLeaf(schema) ? `${path}[]` : path
  // A default of {} only says that the fields below have theirs.
  const fallback = schema.default === undefined || JSON.stringify(schema.default) === '{}' ? '' : code(JSON.stringify(schema.default))
  const type = isLeaf(schema) ? typeOf(schema) : schema.type === 'array' ? 'list' : 'object'
  const own = [code(here), type, required ? 'required' : fallback, String(schema.description ?? '')]
  return [own, ...Object.entries(below).flatMap(([name, inner]) => rows(inner, `${here}.${name}`, must.includes(name)))]
}

const fields = (schema: Json, path: string): string =>
  table(
    ['field', 'type', 'default', 'meaning'],
    Object.entries((schema.properties ?? {}) as Readonly<Record<string, Json>>).flatMap(([name, inner]) =>
      rows(inner, `${path}.${name}`, ((schema.required ?? []) as string[]).includes(name)),
    ),
  )

export function paxosGroupPage(): string {
  return page(
    'PaxosGroup',
    '[operator/src/api/paxos-group.ts](../../operator/src/api/paxos-group.ts)',
    `\`thermocline.dev/v1alpha1\`, short name \`pxg\`: the storage tier of a cluster, and the status that the operator writes. The
definition is in [crds](../../crds/README.md).`,
    '## Spec',
    fields(structuralSchema(paxosGroupSpecSchema), 'spec'),
    '## Rules',
    `The API server checks these from Kubernetes 1.25 on; on older ones the operator does, and says what it refuses in the
condition \`Accepted\`.`,
    PAXOS_GROUP_RULES.map(({ cel, message }) => `- ${message} (${code(cel)})`).join('\n'),
    '## Status',
    fields(structuralSchema(paxosGroupStatusSchema), 'status'),
  )
}
