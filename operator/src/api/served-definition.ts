/**
 * Whether the definition that a server has is older than the operator: fields that it does not know it drops without a word, people's
 * wishes and our own status alike. Compared by what the server publishes of it, which every client may read. Pure.
 */
import type { Json } from './crd.ts'

/** Of an OpenAPI document, version 3 or 2: the schema of the kind; undefined if it has none. */
export function publishedSchema(
  document: unknown,
  kind: { readonly group: string; readonly version: string; readonly kind: string },
): Json | undefined {
  const { components, definitions } = (document ?? {}) as {
    components?: { schemas?: Record<string, Json> }
    definitions?: Record<string, Json>
  }
  return Object.values(components?.schemas ?? definitions ?? {}).find((schema) => {
    const names = schema['x-kubernetes-group-version-kind'] as { group: string; version: string; kind: string }[] | undefined
    return names?.some((one) => one.group === kind.group && one.version === kind.version && one.kind === kind.kind) === true
  })
}

/** Fields that we know and the server drops, like `spec.zones.policy`; what is below a missing one is not named. */
export function missingFields(ours: Json, served: Json, path = ''): string[] {
  // Whatever is below, it keeps.
  if (served['x-kubernetes-preserve-unknown-fields'] === true) return []
  if (ours.items !== undefined) return missingFields(ours.items as Json, (served.items ?? {}) as Json, `${path}[]`)
  const fields = (served.properties ?? {}) as Record<string, Json>
  return Object.entries((ours.properties ?? {}) as Record<string, Json>).flatMap(([name, inner]) => {
    const at = path === '' ? name : `${path}.${name}`
    const found = fields[name]
    return found === undefined ? [at] : missingFields(inner, found, at)
  })
}
