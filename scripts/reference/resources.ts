/** The definitions of our kinds as manifests, and the pages on their fields; both from the operator's schemas. */
import { stringify } from 'yaml'
import { crdNameOf, crdOf, type Json, KINDS_OF_OURS, type Kind, structuralSchema } from '../../operator/src/api/crd.ts'
import { MEMORY_GROUP, PAXOS_GROUP } from '../../operator/src/api/names.ts'
import { code, page, table } from './markdown.ts'

/** Where a kind's schema stands, and what its page begins with. */
const ABOUT: Readonly<Record<string, { readonly source: string; readonly intro: string }>> = {
  [PAXOS_GROUP.kind]: {
    source: 'paxos-group.ts',
    intro: 'the storage tier of a cluster, and the status that the operator writes.',
  },
  [MEMORY_GROUP.kind]: {
    source: 'memory-group.ts',
    intro: 'the memory tier of a cluster, a cache of its storage tier, and the status that the operator writes.',
  },
}

/** Path → content: for people (`kubectl apply`), and for the chart. */
export function crdManifests(): Record<string, string> {
  return Object.assign({}, ...KINDS_OF_OURS.map(manifestsOf)) as Record<string, string>
}

function manifestsOf(kind: Kind): Record<string, string> {
  const note = `# Generated from operator/src/api/${ABOUT[kind.names.kind]?.source} and rules.ts by \`make fix\`; change those instead.\n`
  const manifest = (withCel: boolean) => note + stringify(crdOf(kind, { withCel }), { lineWidth: 0, aliasDuplicateObjects: false })
  const file = `${crdNameOf(kind)}.yaml`
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

/** Path → page. */
export function resourcePages(): Record<string, string> {
  return Object.fromEntries(KINDS_OF_OURS.map((kind) => [`docs/reference/${kind.names.singular}.md`, pageOf(kind)]))
}

function pageOf({ names, spec, status, rules }: Kind): string {
  const { source = '', intro = '' } = ABOUT[names.kind] ?? {}
  return page(
    names.kind,
    `[operator/src/api/${source}](../../operator/src/api/${source})`,
    `\`thermocline.dev/v1alpha1\`, short name \`${names.shortName}\`: ${intro} The
definition is in [crds](../../crds/README.md).`,
    '## Spec',
    fields(structuralSchema(spec), 'spec'),
    '## Rules',
    `The API server checks these from Kubernetes 1.25 on; on older ones the operator does, and says what it refuses in the
condition \`Accepted\`.`,
    rules.map(({ cel, message }) => `- ${message} (${code(cel)})`).join('\n'),
    '## Status',
    fields(structuralSchema(status), 'status'),
  )
}
