/**
 * Lays a user's part of a pod over ours, as a strategic merge would: objects merge, lists of named things merge by their key,
 * other lists and values are replaced, null removes.
 */
import { ANNOTATIONS } from '../api/names.ts'

type Json = Readonly<Record<string, unknown>>

export interface PodTemplate {
  readonly metadata: { readonly labels: Readonly<Record<string, string>>; readonly annotations?: Readonly<Record<string, string>> }
  readonly spec: Json
}

export interface PodOverlay {
  readonly metadata?:
    | {
        readonly labels?: Readonly<Record<string, string>> | undefined
        readonly annotations?: Readonly<Record<string, string>> | undefined
      }
    | undefined
  readonly spec?: Json | undefined
}

/** Field of a list → what names its elements, as in Kubernetes' own patch strategies. */
const MERGE_KEYS: Readonly<Record<string, string>> = {
  containers: 'name',
  initContainers: 'name',
  ephemeralContainers: 'name',
  volumes: 'name',
  env: 'name',
  imagePullSecrets: 'name',
  volumeMounts: 'mountPath',
  volumeDevices: 'devicePath',
  ports: 'containerPort',
  hostAliases: 'ip',
  topologySpreadConstraints: 'topologyKey',
}

/** Our labels win: selectors rely on them. */
export function mergePodTemplate(template: PodTemplate, overlay: PodOverlay): PodTemplate {
  return {
    metadata: {
      labels: { ...overlay.metadata?.labels, ...template.metadata.labels },
      annotations: { ...template.metadata.annotations, ...overlay.metadata?.annotations },
    },
    spec: overlay.spec === undefined ? template.spec : (merge(template.spec, overlay.spec, '') as Json),
  }
}

/** The pods say what they were made from. */
export function withTemplateHash(template: PodTemplate, hash: string): PodTemplate {
  const annotations = { ...template.metadata.annotations, [ANNOTATIONS.templateHash]: hash }
  return { ...template, metadata: { ...template.metadata, annotations } }
}

function merge(base: unknown, over: unknown, field: string): unknown {
  if (Array.isArray(base) && Array.isArray(over)) {
    const key = MERGE_KEYS[field]
    return key === undefined ? over : mergeLists(base as Json[], over as Json[], key)
  }
  if (!isObject(base) || !isObject(over)) return over
  const result: Record<string, unknown> = { ...base }
  for (const [name, value] of Object.entries(over)) {
    if (value === null) delete result[name]
    else result[name] = name in base ? merge(base[name], value, name) : value
  }
  return result
}

function mergeLists(base: readonly Json[], over: readonly Json[], key: string): Json[] {
  const known = new Set(base.map((one) => one[key]))
  return [
    ...base.map((one) => {
      const other = over.find((candidate) => candidate[key] === one[key])
      return other === undefined ? one : (merge(one, other, '') as Json)
    }),
    ...over.filter((one) => !known.has(one[key])),
  ]
}

const isObject = (value: unknown): value is Json => value !== null && typeof value === 'object' && !Array.isArray(value)
