/**
 * Whether a resource can be acted upon. The API server has checked most of it; a server without CEL, an older definition or a
 * comparison with what is there leave the rest to the operator. Each reason names the field, its value and what to do.
 */
import type { z } from 'zod'
import { adminSecretName } from '../api/names.ts'
import { type PaxosGroupSpec, paxosGroupSpecSchema } from '../api/paxos-group.ts'
import { formatBytes, formatDuration, parseBytes, parseDuration } from '../api/quantity.ts'
import { isSliceDuration, PAXOS_GROUP_RULES, type Rule } from '../api/rules.ts'
import type { Observed } from './observed.ts'
import { type PodTemplateGrants, refusePodTemplate } from './pod-template-grants.ts'

export type Acceptance<Spec = PaxosGroupSpec> = { readonly spec: Spec } | Refusal

const MIN_LOG_BYTES = 64 * 1024 * 1024
const MIN_MEMORY_BYTES = 128 * 1024 * 1024

type Fields = Readonly<Record<string, unknown>>

export interface Judged {
  readonly metadata: { readonly name: string }
  readonly spec?: unknown
}

export function acceptSpec(resource: Judged, grants: PodTemplateGrants): Acceptance {
  const own = new Set([adminSecretName(resource.metadata.name)])
  const check = (spec: PaxosGroupSpec): Refusal | undefined => checkSizes(spec) ?? refusePodTemplate(spec.podTemplate, grants, own)
  return accept(resource, { schema: paxosGroupSpecSchema, rules: PAXOS_GROUP_RULES, check })
}

interface Means<Spec> {
  readonly schema: z.ZodType<Spec>
  readonly rules: readonly Rule[]
  /** What neither says. */
  readonly check: (spec: Spec) => Refusal | undefined
}

/** By its schema, by the rules that a server without CEL leaves out, and by what only the operator compares. */
export function accept<Spec>(resource: Judged, { schema, rules, check }: Means<Spec>): Acceptance<Spec> {
  const parsed = schema.safeParse(resource.spec ?? {})
  if (!parsed.success) {
    const issue = parsed.error.issues[0]
    return { reason: 'Invalid', message: `${['spec', ...(issue?.path ?? [])].join('.')}: ${issue?.message ?? 'is not valid'}` }
  }
  const spec = parsed.data
  const full = { ...resource, spec }
  for (const rule of rules) {
    if (rule.isTransition !== true && !rule.holds(at(full, rule.path), undefined)) return { reason: 'Invalid', message: rule.message }
  }
  return check(spec) ?? { spec }
}

export const invalid = (message: string | undefined): Refusal | undefined =>
  message === undefined ? undefined : { reason: 'Invalid', message }

function at(root: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((value, name) => (value as Fields | undefined)?.[name], root)
}

function checkSizes(spec: PaxosGroupSpec): Refusal | undefined {
  return invalid(faultOfSizes(spec))
}

function faultOfSizes(spec: PaxosGroupSpec): string | undefined {
  const logBytes = parseBytes(spec.limits.logBytes) as number
  if (logBytes < MIN_LOG_BYTES) return `spec.limits.logBytes: ${spec.limits.logBytes} is less than 64Mi`
  const storageBytes = parseBytes(spec.storage.size) as number
  if (storageBytes < 2 * logBytes)
    return `spec.storage.size: ${spec.storage.size} is less than twice spec.limits.logBytes, ${spec.limits.logBytes}`
  if (!isSliceDuration(spec.sliceDuration)) return `spec.sliceDuration: ${spec.sliceDuration} is not from 1m to 49d`
  const memory = spec.resources.limits?.memory
  if (memory === undefined) return undefined
  const memoryBytes = parseBytes(String(memory))
  if (memoryBytes === undefined) return `spec.resources.limits.memory: ${memory} is not a quantity like 1Gi`
  const cacheBytes = parseBytes(spec.versionCache.size) as number
  if (memoryBytes < MIN_MEMORY_BYTES + cacheBytes)
    return `spec.resources.limits.memory: ${memory} is less than 128Mi and spec.versionCache.size, ${spec.versionCache.size}, together`
  return undefined
}

/** A wish of the resource that is not acted upon; what it wishes to change stays as it is. */
export interface Refusal {
  readonly reason: string
  readonly message: string
}

export interface EffectiveSpec {
  /** What is acted upon: the resource's, with each refused field as the cluster has it. */
  readonly spec: PaxosGroupSpec
  readonly refusals: readonly Refusal[]
}

/**
 * The spec without what contradicts the cluster that is there. Field by field: a refused one holds up no other. Needed also where
 * the server compares old and new, since a resource can be deleted and made again over the same volumes.
 */
export function acceptChanges(spec: PaxosGroupSpec, observed: Observed): EffectiveSpec {
  const initial = observed.bootstrap?.initial
  const refusals: Refusal[] = []
  let effective = spec
  const refuse = (reason: string, message: string, kept: Partial<PaxosGroupSpec>): void => {
    refusals.push({ reason, message })
    effective = { ...effective, ...kept }
  }
  const groups = initial?.volumes.length ?? spec.groups
  if (groups !== spec.groups)
    refuse(
      spec.groups > groups ? 'GrowthNotSupported' : 'ShrinkingNotSupported',
      `spec.groups: the cluster has ${groups}, ${spec.groups} are wanted; this release cannot move data between groups: set it back to ${groups}`,
      { groups },
    )
  const replicas = initial?.volumes[0]?.length ?? spec.replicas
  if (replicas !== spec.replicas)
    refuse('Invalid', `spec.replicas: the cluster has ${replicas}, ${spec.replicas} are wanted; set it back to ${replicas}`, { replicas })
  const wantedMs = parseDuration(spec.sliceDuration) as number
  const sliceMs = initial?.sliceDurationMs ?? wantedMs
  if (sliceMs !== wantedMs)
    refuse(
      'Invalid',
      `spec.sliceDuration: the cluster was made with ${formatDuration(sliceMs)}, ${spec.sliceDuration} is wanted; set it back to ${formatDuration(sliceMs)}`,
      { sliceDuration: formatDuration(sliceMs) },
    )
  const bytes = bytesInForce(observed)
  if (bytes > (parseBytes(spec.storage.size) as number))
    refuse(
      'VolumesCannotShrink',
      `spec.storage.size: volumes of ${formatBytes(bytes)} cannot shrink to ${spec.storage.size}; set it to ${formatBytes(bytes)} or more`,
      { storage: { ...spec.storage, size: formatBytes(bytes) } },
    )
  return { spec: effective, refusals }
}

/**
 * The largest size that a group's volumes were made for or all have grown to. One claim alone says nothing: people may enlarge it.
 * A StatefulSet that is being made anew says nothing either, but its claims outlive it.
 */
function bytesInForce({ statefulSets, groups }: Observed): number {
  return Math.max(
    0,
    ...groups.map((replicas, group) => {
      const claims = replicas.flatMap(({ claim }) => (claim === undefined ? [] : [claim.requestedBytes]))
      return statefulSets[group]?.claimBytes ?? (claims.length === 0 ? 0 : Math.min(...claims))
    }),
  )
}
