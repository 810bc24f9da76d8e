/** Whether a MemoryGroup can be acted upon, and which of several serves a cluster. */
import { type MemoryGroupSpec, memoryGroupSpecSchema } from '../api/memory-group.ts'
import { parseBytes } from '../api/quantity.ts'
import { isNewerThan, MEMORY_GROUP_RULES } from '../api/rules.ts'
import { type Acceptance, accept, invalid, type Judged, type Refusal } from './acceptance.ts'
import { type PodTemplateGrants, refusePodTemplate } from './pod-template-grants.ts'

const MIN_CACHE_BYTES = 32 * 1024 * 1024
/** What the process takes beside its cache. */
const PROCESS_BYTES = 192 * 1024 * 1024

/** A memory node has no Secret of its own. */
const NO_SECRETS: ReadonlySet<string> = new Set()

export function acceptMemorySpec(resource: Judged, grants: PodTemplateGrants): Acceptance<MemoryGroupSpec> {
  const check = (spec: MemoryGroupSpec): Refusal | undefined =>
    invalid(faultOf(spec)) ?? refusePodTemplate(spec.podTemplate, grants, NO_SECRETS)
  return accept(resource, { schema: memoryGroupSpecSchema, rules: MEMORY_GROUP_RULES, check })
}

function faultOf({ cache, newerThan, resources }: MemoryGroupSpec): string | undefined {
  const cacheBytes = parseBytes(cache.size) as number
  if (cacheBytes < MIN_CACHE_BYTES) return `spec.cache.size: ${cache.size} is less than 32Mi`
  if (newerThan !== undefined && !isNewerThan(newerThan)) return `spec.newerThan: ${newerThan} is not from 1s to 36500d`
  const memory = resources.limits?.memory
  if (memory === undefined) return undefined
  const memoryBytes = parseBytes(String(memory))
  if (memoryBytes === undefined) return `spec.resources.limits.memory: ${memory} is not a quantity like 1Gi`
  if (memoryBytes < cacheBytes + PROCESS_BYTES)
    return `spec.resources.limits.memory: ${memory} is less than spec.cache.size, ${cache.size}, and 192Mi for the process together: raise the limit, or make the cache smaller`
  return undefined
}

/** A MemoryGroup that names a cluster. */
export interface Candidate {
  readonly name: string
  /** As Kubernetes writes it: the earlier is the lesser. */
  readonly createdAt: string
  readonly isDeleting: boolean
}

/**
 * The oldest, and of those that were made in the same second the first by name. One that says what cannot be counts: a bad edit must
 * not hand the tier to another.
 */
export function servingOf<C extends Candidate>(candidates: readonly C[]): C | undefined {
  return candidates
    .filter(({ isDeleting }) => !isDeleting)
    .toSorted((a, b) => (a.createdAt === b.createdAt ? (a.name < b.name ? -1 : 1) : a.createdAt < b.createdAt ? -1 : 1))[0]
}

/** What it names, as it is. */
export interface Reference {
  readonly paxosGroup: string
  /** Of the PaxosGroup. */
  readonly storage: 'there' | 'deleting' | 'absent'
  /** Of the MemoryGroup that serves it. */
  readonly serving: string | undefined
  /** The PaxosGroup that this MemoryGroup's machines were made for, if there are any. */
  readonly madeFor: string | undefined
}

/** Why this MemoryGroup cannot serve what it names; undefined if it does. */
export function refuseReference(name: string, { paxosGroup, storage, serving, madeFor }: Reference): Refusal | undefined {
  // Servers without CEL let it be changed.
  if (madeFor !== undefined && madeFor !== paxosGroup)
    return {
      reason: 'Invalid',
      message: `spec.paxosGroupRef.name: cannot be changed: its machines cache ${madeFor}, ${paxosGroup} is named; set it back to ${madeFor}, or make a second MemoryGroup`,
    }
  if (storage === 'absent')
    return {
      reason: 'PaxosGroupNotFound',
      message: `spec.paxosGroupRef.name: there is no PaxosGroup ${paxosGroup} in this namespace; make it, or make this MemoryGroup in its namespace`,
    }
  if (storage === 'deleting')
    return { reason: 'PaxosGroupDeleting', message: `spec.paxosGroupRef.name: PaxosGroup ${paxosGroup} is being deleted` }
  if (serving !== undefined && serving !== name)
    return {
      reason: 'AnotherServes',
      message: `spec.paxosGroupRef.name: MemoryGroup ${serving} was there first and serves PaxosGroup ${paxosGroup}; change that, or delete one`,
    }
  return undefined
}
