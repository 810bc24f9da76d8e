/**
 * Rights granted against rights used. A verb that is used and not granted fails in production; one that is granted and never
 * used is more than the operator needs. Granted ones come from Roles (of `helm template`, or of a server), used ones from
 * the operator's own metrics or from the API server's audit log.
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

export interface AuditEvent {
  readonly verb: string
  readonly user: { readonly username: string }
  readonly objectRef?: { readonly resource?: string; readonly subresource?: string }
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

/** From `/metrics` of one or more operators: thermocline_operator_api_requests_total{verb,resource,code}. */
export function rightsUsedByMetrics(text: string): Set<Right> {
  const used = new Set<Right>()
  for (const [, labels = '', value] of text.matchAll(/^thermocline_operator_api_requests_total\{([^}]*)\} (\S+)/gm)) {
    const { verb, resource } = Object.fromEntries([...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, name, content]) => [name, content]))
    if (verb === undefined || resource === undefined) throw new Error(`a series of requests without verb or resource: {${labels}}`)
    if (Number(value) > 0) used.add(`${verb} ${resource}`)
  }
  return used
}

/** From the lines of an audit log, of one service account. Requests for no resource (discovery, health) need no right. */
export function rightsUsedByAudit(lines: Iterable<string>, username: string): Set<Right> {
  const used = new Set<Right>()
  for (const line of lines) {
    if (line.trim() === '') continue
    const { verb, user, objectRef } = JSON.parse(line) as AuditEvent
    if (user.username !== username || objectRef?.resource === undefined) continue
    const { resource, subresource } = objectRef
    used.add(`${verb} ${subresource === undefined ? resource : `${resource}/${subresource}`}`)
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
