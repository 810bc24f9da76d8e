/**
 * Rights granted against rights used. A verb that is used and not granted fails in production; one that is granted and never
 * used is more than the operator needs. Granted ones come from Roles (of `helm template`, or of a server), used ones from
 * the operator's own metrics.
 */

interface PolicyRule {
  readonly apiGroups?: readonly string[]
  readonly resources?: readonly string[]
  readonly verbs: readonly string[]
}

/** A Role or ClusterRole, among whatever else a chart renders. */
export interface Manifest {
  readonly kind?: string
  readonly rules?: readonly PolicyRule[]
}

/** `verb resource`, like `patch statefulsets` or `create pods/eviction`. Groups are left out: no two have one name here. */
export type Right = `${string} ${string}`

export interface Comparison {
  readonly missing: readonly Right[]
  readonly unused: readonly Right[]
}

const isRole = ({ kind }: Manifest): boolean => kind === 'Role' || kind === 'ClusterRole'

export function grantedRights(manifests: readonly Manifest[]): Set<Right> {
  const rules = manifests.filter(isRole).flatMap((role) => role.rules ?? [])
  const rights = rules.flatMap(({ resources = [], verbs }) =>
    resources.flatMap((resource) => verbs.map((verb): Right => `${verb} ${resource}`)),
  )
  const wide = rights.find((right) => right.includes('*'))
  if (wide !== undefined) throw new Error(`a role grants '${wide}': name verbs and resources`)
  return new Set(rights)
}

/**
 * From `/metrics` of one or more operators: thermocline_operator_api_requests_total{verb,resource,code}. An apply that makes the
 * object needs the right to create it, too.
 */
export function rightsUsedByMetrics(text: string): Set<Right> {
  const used = new Set<Right>()
  for (const [, labels = '', value] of text.matchAll(/^thermocline_operator_api_requests_total\{([^}]*)\} (\S+)/gm)) {
    const { verb, resource, code } = Object.fromEntries(
      [...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, name, content]) => [name, content]),
    )
    if (verb === undefined || resource === undefined) throw new Error(`a series of requests without verb or resource: {${labels}}`)
    // Paths like /version need no right to a resource.
    if (!(Number(value) > 0) || resource.startsWith('/')) continue
    const name = resource.replace(/\.[^/]*/, '')
    if (verb === 'evict') used.add(`create ${name}/eviction`)
    else used.add(`${verb === 'apply' ? 'patch' : verb} ${name}`)
    if (verb === 'apply' && code === '201') used.add(`create ${name}`)
  }
  return used
}

const byCode = (a: Right, b: Right): number => (a < b ? -1 : 1)

/** `rare` are granted for what a run need not meet. */
export function compareRights(granted: ReadonlySet<Right>, used: ReadonlySet<Right>, rare: readonly Right[] = []): Comparison {
  return {
    missing: [...used].filter((right) => !granted.has(right)).toSorted(byCode),
    unused: [...granted].filter((right) => !used.has(right) && !rare.includes(right)).toSorted(byCode),
  }
}
