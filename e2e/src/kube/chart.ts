/** The chart as a person would render it, and what its pods must keep to. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseAllDocuments } from 'yaml'
import { runProgram } from '../program.ts'
import { kubeTools } from './lab.ts'

export const CHART = fileURLToPath(new URL('../../../charts/thermocline', import.meta.url))
const VALUES = fileURLToPath(new URL('values', import.meta.url))

/** Value files that the chart is tried with, by name; the chart's own values are `defaults`. */
export const VALUE_FILES: Readonly<Record<string, string | undefined>> = {
  defaults: undefined,
  ...Object.fromEntries(readdirSync(VALUES).map((file) => [file.replace('.yaml', ''), join(VALUES, file)])),
}

export const withValues = (name: string): string[] => {
  const file = VALUE_FILES[name]
  return file === undefined ? [] : ['--values', file]
}

interface Container {
  readonly name: string
  readonly image: string
  readonly env?: readonly { readonly name: string; readonly value?: string }[]
  readonly ports?: readonly Readonly<Record<string, unknown>>[]
  readonly securityContext?: {
    readonly allowPrivilegeEscalation?: boolean
    readonly readOnlyRootFilesystem?: boolean
    readonly capabilities?: { readonly drop?: readonly string[]; readonly add?: readonly string[] }
  }
}

export interface PodSpec {
  readonly containers: readonly Container[]
  readonly hostNetwork?: boolean
  readonly securityContext?: {
    readonly runAsNonRoot?: boolean
    readonly runAsUser?: number
    readonly seccompProfile?: { readonly type: string }
  }
  readonly volumes?: readonly Readonly<Record<string, unknown>>[]
}

/** An object of Kubernetes, as far as tests look into it. */
export interface Rendered {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly annotations?: Readonly<Record<string, string>> }
  readonly spec?: Readonly<Record<string, unknown>>
  readonly rules?: readonly { readonly resources?: readonly string[]; readonly verbs: readonly string[] }[]
  readonly data?: Readonly<Record<string, string>>
}

/** `more` are further arguments of helm template, like ['--kube-version', '1.20.2']. */
export async function renderText(values: string, more: readonly string[] = []): Promise<string> {
  const helm = join(await kubeTools(), 'helm')
  return runProgram(helm, ['template', 'thermocline', CHART, '--namespace', 'thermocline', ...withValues(values), ...more])
}

export async function render(values: string, more: readonly string[] = []): Promise<Rendered[]> {
  return parseManifests(await renderText(values, more))
}

export function parseManifests(text: string): Rendered[] {
  return parseAllDocuments(text)
    .map((document) => {
      const [error] = document.errors
      if (error !== undefined) throw error
      return document.toJS() as Rendered | null
    })
    .filter((one): one is Rendered => one !== null)
}

export function podOf({ kind, spec }: Rendered): PodSpec | undefined {
  if (kind === 'Pod') return spec as unknown as PodSpec
  return (spec as { template?: { spec: PodSpec } } | undefined)?.template?.spec
}

const SAFE_VOLUMES = ['configMap', 'csi', 'downwardAPI', 'emptyDir', 'ephemeral', 'persistentVolumeClaim', 'projected', 'secret']

/** What breaks the pod security profile `restricted`, or leaves the root writable. */
export function securityFindings(pod: PodSpec): string[] {
  const { securityContext: context = {}, containers, volumes = [], hostNetwork = false } = pod
  return [
    context.runAsNonRoot === true && (context.runAsUser ?? 0) > 0 ? [] : ['may run as root'],
    context.seccompProfile?.type === 'RuntimeDefault' ? [] : ['no seccomp profile'],
    hostNetwork ? ['uses the host’s network'] : [],
    volumes.flatMap((volume) =>
      Object.keys(volume)
        .filter((key) => key !== 'name' && !SAFE_VOLUMES.includes(key))
        .map((key) => `volume of type ${key}`),
    ),
    containers.flatMap(({ name, securityContext: own = {} }) => [
      ...(own.allowPrivilegeEscalation === false ? [] : [`${name} may gain privileges`]),
      ...(own.readOnlyRootFilesystem === true ? [] : [`${name} may write to its root`]),
      ...(own.capabilities?.drop?.includes('ALL') === true && own.capabilities.add === undefined ? [] : [`${name} has capabilities`]),
    ]),
  ].flat()
}
