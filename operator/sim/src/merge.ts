/**
 * How the API server merges: merge patches (RFC 7386), and server-side apply by one manager. Apply sets what is named,
 * removes what the manager named last time and no longer does, and leaves alone what others set.
 */

type Fields = Readonly<Record<string, unknown>>

const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value)

export function mergePatch(current: unknown, patch: unknown): unknown {
  if (!isFields(patch)) return patch
  const result: Record<string, unknown> = isFields(current) ? { ...current } : {}
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete result[name]
    else if (value !== undefined) result[name] = mergePatch(result[name], value)
  }
  return result
}

/** Lists that are maps by a field of their items, by the list's name; all others are replaced as a whole. */
const KEYS: Readonly<Record<string, readonly string[]>> = {
  containers: ['name'],
  initContainers: ['name'],
  volumes: ['name'],
  env: ['name'],
  imagePullSecrets: ['name'],
  ports: ['containerPort', 'port'],
  volumeMounts: ['mountPath'],
  ownerReferences: ['uid'],
  conditions: ['type'],
  topologySpreadConstraints: ['topologyKey'],
  finalizers: [],
}

export function applyFields(current: unknown, previous: unknown, desired: unknown, name = ''): unknown {
  if (isFields(desired)) {
    const result: Record<string, unknown> = isFields(current) ? { ...current } : {}
    const before = isFields(previous) ? previous : {}
    for (const field of Object.keys(before)) {
      if (desired[field] !== undefined) continue
      const left = withoutFields(result[field], before[field], field)
      if (left === undefined) delete result[field]
      else result[field] = left
    }
    for (const [field, value] of Object.entries(desired)) {
      if (value !== undefined) result[field] = applyFields(result[field], before[field], value, field)
    }
    return result
  }
  if (Array.isArray(desired) && name in KEYS) return applyItems(asList(current), asList(previous), desired, name)
  return desired
}

function applyItems(current: readonly unknown[], previous: readonly unknown[], desired: readonly unknown[], name: string): unknown[] {
  const [now, before] = [byKey(current, name), byKey(previous, name)]
  const wanted = byKey(desired, name)
  // An item that was ours goes as a whole, with what the server had filled in.
  const others = [...now].filter(([key]) => !wanted.has(key) && !before.has(key)).map(([, item]) => item)
  return [...[...wanted].map(([key, item]) => applyFields(now.get(key), before.get(key), item)), ...others]
}

/** What is left when a manager no longer names these fields. */
function withoutFields(current: unknown, owned: unknown, name: string): unknown {
  if (isFields(owned) && isFields(current)) {
    const result: Record<string, unknown> = { ...current }
    for (const [field, value] of Object.entries(owned)) {
      const left = withoutFields(result[field], value, field)
      if (left === undefined) delete result[field]
      else result[field] = left
    }
    return Object.keys(result).length === 0 ? undefined : result
  }
  if (Array.isArray(owned) && name in KEYS) {
    const left = applyItems(asList(current), owned, [], name)
    return left.length === 0 ? undefined : left
  }
  return undefined
}

const asList = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

const byKey = (items: readonly unknown[], name: string): Map<unknown, unknown> => new Map(items.map((item) => [keyOf(item, name), item]))

function keyOf(item: unknown, name: string): unknown {
  if (!isFields(item)) return item
  for (const field of KEYS[name] ?? []) if (item[field] !== undefined) return item[field]
  return item
}
