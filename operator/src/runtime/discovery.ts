/** What the API server can, from its discovery documents. Pure. */
import type { ServerFacts } from './ports.ts'

/** Version of `/version`, of `/api` and of `/apis`. */
export interface Discovered {
  readonly version: unknown
  readonly core: unknown
  readonly groups: unknown
}

/** CEL rules of CustomResourceDefinitions are on by default since. */
const CEL_SINCE_MINOR = 25

export function factsOf({ version, core, groups }: Discovered): ServerFacts {
  const { major, minor } = version as { major?: string; minor?: string }
  const served = new Set<string>((core as { versions?: string[] }).versions ?? [])
  for (const group of (groups as { groups?: { versions?: { groupVersion: string }[] }[] }).groups ?? []) {
    for (const { groupVersion } of group.versions ?? []) served.add(groupVersion)
  }
  // Some distributions write "25+".
  const numbers = { major: Number.parseInt(major ?? '', 10) || 0, minor: Number.parseInt(minor ?? '', 10) || 0 }
  return {
    ...numbers,
    groupVersions: served,
    policyVersion: served.has('policy/v1') || !served.has('policy/v1beta1') ? 'v1' : 'v1beta1',
    hasCel: numbers.major > 1 || numbers.minor >= CEL_SINCE_MINOR,
  }
}
