/**
 * What `spec.podTemplate` may lay over the pods. Whoever may write a resource of ours need not be allowed to make pods; the operator is,
 * and would do it for him. So what gives a pod rights, secrets or a way out of it has to be granted by whoever runs the operator, by
 * groups of fields. Security contexts and kinds of volumes are closed sets: what is not known to be harmless needs the grant.
 */
import type { Refusal } from './acceptance.ts'

/** Group → what it covers, in words: the reference and the chart's values tell it. */
export const POD_TEMPLATE_GRANTS = {
  serviceAccount: 'serviceAccountName, automountServiceAccountToken, tokens in projected volumes',
  volumes: 'volumes other than emptyDir, configMap, downwardAPI, projected, ephemeral and secret: hostPath, drivers, claims',
  privileges: 'security contexts that give more than the pods have: privileged, capabilities, allowPrivilegeEscalation, root',
  hostNamespaces: 'hostNetwork, hostPID, hostIPC, ports of the host',
  secrets: 'Secrets other than the cluster’s own, in volumes and environments',
  commands: 'command, args, exec and variables that load code, of the container `node`',
} as const

export type PodTemplateGrant = keyof typeof POD_TEMPLATE_GRANTS
export type PodTemplateGrants = ReadonlySet<PodTemplateGrant>

export const GRANT_NAMES = Object.keys(POD_TEMPLATE_GRANTS) as PodTemplateGrant[]

const CONTAINER = 'node'
const CONTAINER_LISTS = ['containers', 'initContainers', 'ephemeralContainers']
const HARMLESS_VOLUMES = new Set(['emptyDir', 'configMap', 'downwardAPI', 'projected', 'ephemeral', 'secret'])
const HARMLESS_SOURCES = new Set(['configMap', 'downwardAPI', 'secret', 'serviceAccountToken'])
const ACCOUNT_FIELDS = ['serviceAccountName', 'serviceAccount', 'automountServiceAccountToken']
const HOST_FIELDS = ['hostNetwork', 'hostPID', 'hostIPC']
const COMMAND_FIELDS = ['command', 'args', 'lifecycle']
const PROBES = ['livenessProbe', 'readinessProbe', 'startupProbe']
/** Node.js and the loader run what these name. */
const CODE_VARIABLES = /^(?:NODE_|LD_|BASH_ENV$|ENV$)/

type Fields = Readonly<Record<string, unknown>>

interface Found {
  /** Below `spec.podTemplate`. */
  readonly path: string
  readonly value: unknown
  readonly grant: PodTemplateGrant
}

interface Overlay {
  readonly metadata?: { readonly annotations?: Readonly<Record<string, string>> | undefined } | undefined
  readonly spec?: Fields | undefined
}

/** The first thing that is not granted; undefined if nothing is. @param ownSecrets names of Secrets that are the cluster's. */
export function refusePodTemplate(
  overlay: Overlay | undefined,
  granted: PodTemplateGrants,
  ownSecrets: ReadonlySet<string>,
): Refusal | undefined {
  const { metadata, spec = {} } = overlay ?? {}
  const malformed = malformedList(spec)
  if (malformed !== undefined) return { reason: 'Invalid', message: `spec.podTemplate.spec.${malformed}: expected a list of objects` }
  for (const { path, value, grant } of [...inAnnotations(metadata?.annotations ?? {}), ...foundIn(spec, ownSecrets)]) {
    if (granted.has(grant)) continue
    return {
      reason: 'PodTemplateNotGranted',
      message: `spec.podTemplate.${path}: ${shown(value)} needs the grant ${grant} (${POD_TEMPLATE_GRANTS[grant]}); remove it, or have ${grant} added to podTemplate.grants of the operator's chart`,
    }
  }
  return undefined
}

/** Lists whose elements are looked at have to be such lists, all the way down. */
function malformedList(spec: Fields): string | undefined {
  const isList = (value: unknown): boolean => value === undefined || value === null || (Array.isArray(value) && value.every(isObject))
  for (const name of [...CONTAINER_LISTS, 'volumes']) if (!isList(spec[name])) return name
  for (const [path, container] of containersOf(spec)) {
    for (const name of ['env', 'envFrom', 'ports']) if (!isList(container[name])) return `${path}.${name}`
  }
  for (const [path, volume] of listed(spec, 'volumes')) {
    if (isObject(volume.projected) && !isList(volume.projected.sources)) return `${path}.projected.sources`
  }
  return undefined
}

/** What older servers read profiles from. */
const PROFILE_ANNOTATIONS = /^(?:container\.apparmor|seccomp|container\.seccomp)\.security\./

function* inAnnotations(annotations: Readonly<Record<string, string>>): Generator<Found> {
  for (const [name, value] of Object.entries(annotations))
    if (PROFILE_ANNOTATIONS.test(name)) yield { path: `metadata.annotations.${name}`, value, grant: 'privileges' }
}

function* foundIn(spec: Fields, ownSecrets: ReadonlySet<string>): Generator<Found> {
  for (const found of inSpec(spec, ownSecrets)) yield { ...found, path: `spec.${found.path}` }
}

function* inSpec(spec: Fields, ownSecrets: ReadonlySet<string>): Generator<Found> {
  for (const name of ACCOUNT_FIELDS) if (isSet(spec[name])) yield { path: name, value: spec[name], grant: 'serviceAccount' }
  for (const name of HOST_FIELDS) if (isSet(spec[name])) yield { path: name, value: spec[name], grant: 'hostNamespaces' }
  yield* inSecurityContext('securityContext', spec.securityContext, 'securityContext' in spec, POD_CONTEXT)
  for (const [path, volume] of listed(spec, 'volumes')) yield* inVolume(path, volume, ownSecrets)
  for (const [path, container] of containersOf(spec)) yield* inContainer(path, container, ownSecrets)
}

function* inVolume(path: string, volume: Fields, ownSecrets: ReadonlySet<string>): Generator<Found> {
  for (const [kind, source] of Object.entries(volume)) {
    if (kind === 'name' || source === null) continue
    if (!HARMLESS_VOLUMES.has(kind)) yield { path: `${path}.${kind}`, value: source, grant: 'volumes' }
    const fields = isObject(source) ? source : {}
    if (kind === 'secret') yield* inSecret(`${path}.secret.secretName`, fields.secretName, ownSecrets)
    if (kind !== 'projected') continue
    for (const [at, from] of listed(fields, 'sources')) {
      for (const [name, projection] of Object.entries(from)) {
        const place = `${path}.projected.${at}.${name}`
        if (name === 'secret') yield* inSecret(`${place}.name`, isObject(projection) ? projection.name : projection, ownSecrets)
        else if (name === 'serviceAccountToken') yield { path: place, value: projection, grant: 'serviceAccount' }
        else if (!HARMLESS_SOURCES.has(name)) yield { path: place, value: projection, grant: 'volumes' }
      }
    }
  }
}

function* inContainer(path: string, container: Fields, ownSecrets: ReadonlySet<string>): Generator<Found> {
  yield* inSecurityContext(`${path}.securityContext`, container.securityContext, 'securityContext' in container, CONTAINER_CONTEXT)
  for (const [at, port] of listed(container, 'ports')) {
    if (isSet(port.hostPort)) yield { path: `${path}.${at}.hostPort`, value: port.hostPort, grant: 'hostNamespaces' }
  }
  for (const [at, variable] of listed(container, 'env')) {
    const from = isObject(variable.valueFrom) && isObject(variable.valueFrom.secretKeyRef) ? variable.valueFrom.secretKeyRef : undefined
    if (from !== undefined) yield* inSecret(`${path}.${at}.valueFrom.secretKeyRef.name`, from.name, ownSecrets)
    if (container.name === CONTAINER && CODE_VARIABLES.test(String(variable.name)))
      yield { path: `${path}.${at}.name`, value: variable.name, grant: 'commands' }
  }
  for (const [at, source] of listed(container, 'envFrom')) {
    if (isSet(source.secretRef))
      yield* inSecret(`${path}.${at}.secretRef.name`, isObject(source.secretRef) ? source.secretRef.name : source.secretRef, ownSecrets)
    // Which variables come is not known.
    else if (container.name === CONTAINER) yield { path: `${path}.${at}`, value: source, grant: 'commands' }
  }
  if (container.name !== CONTAINER) return
  for (const name of COMMAND_FIELDS) if (name in container) yield { path: `${path}.${name}`, value: container[name], grant: 'commands' }
  for (const name of PROBES) {
    const probe = container[name]
    if (isObject(probe) && isSet(probe.exec)) yield { path: `${path}.${name}.exec`, value: probe.exec, grant: 'commands' }
  }
}

function* inSecret(path: string, name: unknown, own: ReadonlySet<string>): Generator<Found> {
  if (typeof name !== 'string' || !own.has(name)) yield { path, value: name, grant: 'secrets' }
}

/** What a field of a security context may be without a grant. What is not here needs one; so does what removes ours. */
type Harmless = (value: unknown) => boolean
const isUser: Harmless = (value) => Number.isInteger(value) && (value as number) > 0
const isTrue: Harmless = (value) => value === true
const isFalse: Harmless = (value) => value === false
const isConfined: Harmless = (value) => isObject(value) && (value.type === 'RuntimeDefault' || value.type === 'Localhost')

const CONTEXT: Readonly<Record<string, Harmless>> = {
  runAsUser: isUser,
  runAsGroup: isUser,
  runAsNonRoot: isTrue,
  seccompProfile: isConfined,
  appArmorProfile: isConfined,
}

const POD_CONTEXT: Readonly<Record<string, Harmless>> = {
  ...CONTEXT,
  fsGroup: isUser,
  fsGroupChangePolicy: (value) => typeof value === 'string',
  supplementalGroups: (value) => Array.isArray(value) && value.every(isUser),
  supplementalGroupsPolicy: (value) => typeof value === 'string',
}

const CONTAINER_CONTEXT: Readonly<Record<string, Harmless>> = {
  ...CONTEXT,
  allowPrivilegeEscalation: isFalse,
  privileged: isFalse,
  readOnlyRootFilesystem: (value) => typeof value === 'boolean',
  // A list is replaced as a whole: it must drop what ours drops.
  capabilities: (value) =>
    isObject(value) && Object.keys(value).every((key) => key === 'drop') && Array.isArray(value.drop) && value.drop.includes('ALL'),
}

function* inSecurityContext(
  path: string,
  context: unknown,
  isThere: boolean,
  harmless: Readonly<Record<string, Harmless>>,
): Generator<Found> {
  if (!isThere) return
  if (!isObject(context)) {
    yield { path, value: context, grant: 'privileges' }
    return
  }
  for (const [name, value] of Object.entries(context)) {
    if (!Object.hasOwn(harmless, name) || harmless[name]?.(value) !== true) yield { path: `${path}.${name}`, value, grant: 'privileges' }
  }
}

/** Neither left out nor set to what it is without. */
const isSet = (value: unknown): boolean => value !== undefined && value !== null && value !== false

const isObject = (value: unknown): value is Fields => value !== null && typeof value === 'object' && !Array.isArray(value)

function listed(of: Fields, name: string): [path: string, element: Fields][] {
  const list = of[name]
  return Array.isArray(list) ? list.flatMap((one, at) => (isObject(one) ? [[`${name}[${at}]`, one] as [string, Fields]] : [])) : []
}

const containersOf = (spec: Fields): [path: string, container: Fields][] => CONTAINER_LISTS.flatMap((name) => listed(spec, name))

const MAX_SHOWN_CHARS = 80

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing'
  return text.length > MAX_SHOWN_CHARS ? `${text.slice(0, MAX_SHOWN_CHARS)}…` : text
}
