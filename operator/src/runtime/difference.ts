/**
 * Where an object differs from what we want of it: only fields that we name count, since the server fills in defaults and
 * others own fields of theirs. The server also writes some values in its own way (`0.5` CPU becomes `500m`), so quantities
 * are compared by value, where quantities stand. Pure.
 */

const SUFFIXES: Readonly<Record<string, number>> = {
  '': 1,
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
}

const QUANTITY_PATH = /(?:^|\.)(?:requests|limits|capacity|sizeLimit|divisor)(?:\.[^.]+)?$/

/** Paths (`spec.template.spec.containers[node].image`) whose value is not what is wanted. */
export function differences(wanted: unknown, found: unknown, path = ''): string[] {
  if (isEmpty(wanted)) return []
  if (Array.isArray(wanted)) return arrayDifferences(wanted, found, path)
  if (typeof wanted === 'object') {
    if (typeof found !== 'object' || found === null || Array.isArray(found)) return [path]
    return Object.entries(wanted as object).flatMap(([name, value]) =>
      differences(value, (found as Record<string, unknown>)[name], path === '' ? name : `${path}.${name}`),
    )
  }
  return wanted === found || (QUANTITY_PATH.test(path) && isSameQuantity(wanted, found)) ? [] : [path]
}

/** Lists of named things (containers, variables, volumes) are matched by name: others may add to them. */
function arrayDifferences(wanted: readonly unknown[], found: unknown, path: string): string[] {
  if (!Array.isArray(found)) return [path]
  if (wanted.every((item) => nameOf(item) !== undefined)) {
    const named = new Map(found.map((item) => [nameOf(item), item]))
    return wanted.flatMap((item) => differences(item, named.get(nameOf(item)), `${path}[${nameOf(item)}]`))
  }
  if (wanted.length !== found.length) return [path]
  return wanted.flatMap((item, index) => differences(item, found[index], `${path}[${index}]`))
}

function nameOf(item: unknown): string | undefined {
  if (typeof item !== 'object' || item === null) return undefined
  const { name } = item as { name?: unknown }
  return typeof name === 'string' ? name : undefined
}

/** What the server may leave out, and what then says nothing. */
const isEmpty = (value: unknown): boolean =>
  value === undefined || value === null || (typeof value === 'object' && Object.values(value).every(isEmpty))

function isSameQuantity(a: unknown, b: unknown): boolean {
  const [x, y] = [quantityOf(a), quantityOf(b)]
  return x !== undefined && y !== undefined && Math.abs(x - y) <= 1e-12 * Math.max(Math.abs(x), Math.abs(y))
}

function quantityOf(value: unknown): number | undefined {
  if (typeof value === 'number') return value
  if (typeof value !== 'string') return undefined
  const [, digits, suffix = ''] = /^([+-]?\d+(?:\.\d*)?)(\D{0,2})$/.exec(value) ?? []
  const unit = SUFFIXES[suffix]
  return digits === undefined || unit === undefined ? undefined : Number(digits) * unit
}
