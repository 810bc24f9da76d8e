/** Writes the status of a resource, if it differs from what stands there. */
import { isNotFound, type Kube, type KubeObject, type Resource } from '../runtime/mod.ts'

export async function applyStatus(
  kube: Kube,
  resource: Resource,
  { apiVersion, kind, metadata: { namespace = '', name } }: KubeObject,
  { before, status }: { readonly before: object; readonly status: object },
): Promise<boolean> {
  if (JSON.stringify(sorted(before)) === JSON.stringify(sorted(status))) return false
  try {
    await kube.applyStatus(resource, { apiVersion, kind, metadata: { namespace, name }, status })
  } catch (error) {
    // Deleted meanwhile: the next pass sees that.
    if (!isNotFound(error)) throw error
  }
  return true
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, inner]) => [name, sorted(inner)]),
  )
}
