/**
 * Flags of the program that makes support bundles → one checked, frozen configuration. People give them to `thermocline
 * support-bundle`, which finds the nodes of a cluster without Kubernetes and adds `--node` for each.
 */
import { parseArgs } from 'node:util'
import { ThermoclineError } from '@thermocline/protocol'
import { z } from 'zod'
import { REQUEST_TIMEOUT_MS, REQUEST_TIMEOUT_RANGE_MS } from './bounds.ts'
import type { NodeAddress } from './nodes.ts'

export interface KubernetesSource {
  readonly kind: 'kubernetes'
  readonly namespace: string | undefined
  readonly name: string | undefined
  readonly operatorNamespace: string
  readonly kubeconfig: string | undefined
  readonly context: string | undefined
}

/** A cluster without Kubernetes. */
export interface NodesSource {
  readonly kind: 'nodes'
  readonly nodes: readonly NodeAddress[]
  /** The folder of `thermocline up`. */
  readonly folder: string | undefined
  /** What the caller could not find out. */
  readonly misses: readonly { readonly what: string; readonly reason: string }[]
}

export interface SupportBundleConfig {
  readonly source: KubernetesSource | NodesSource
  /** Undefined: a name with the time, in the working directory. */
  readonly output: string | undefined
  readonly timeoutMs: number
  readonly json: boolean
}

const DEFAULT_OPERATOR_NAMESPACE = 'thermocline-system'

const KUBERNETES_FLAGS = ['namespace', 'name', 'operator-namespace', 'kubeconfig', 'context'] as const
const NODES_FLAGS = ['nodes', 'node', 'cluster', 'miss'] as const

const text = { type: 'string' } as const
const OPTIONS = {
  namespace: text,
  name: text,
  'operator-namespace': text,
  kubeconfig: text,
  context: text,
  /** Says that the cluster is one without Kubernetes, though no node of it may be known. */
  nodes: { type: 'boolean' },
  node: { type: 'string', multiple: true },
  miss: { type: 'string', multiple: true },
  cluster: text,
  output: text,
  timeout: text,
  json: { type: 'boolean' },
} as const

const kubernetesName = (what: string) =>
  z
    .string()
    .max(63, `expected the name of ${what}, of at most 63 characters`)
    .regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/, `expected the name of ${what}: lower-case letters, digits and -`)

const some = (what: string) => z.string().min(1, `expected ${what}`)
const { least, most } = REQUEST_TIMEOUT_RANGE_MS
const pair = (what: string) => z.array(z.string().regex(/^[^=]+=.+$/s, `expected ${what}`))

const schema = z.object({
  namespace: kubernetesName('a namespace').optional(),
  name: kubernetesName('a PaxosGroup').optional(),
  'operator-namespace': kubernetesName('a namespace').default(DEFAULT_OPERATOR_NAMESPACE),
  kubeconfig: some('a kubeconfig file').optional(),
  context: some('the name of a context').optional(),
  node: pair('NAME=HOST:PORT').default([]),
  miss: pair('WHAT=REASON').default([]),
  cluster: some('a folder').optional(),
  output: some('the name of a file').optional(),
  timeout: z
    .string()
    .regex(/^\d+$/, `expected milliseconds, ${least} to ${most}`)
    .transform(Number)
    .refine((ms) => ms >= least && ms <= most, `expected milliseconds, ${least} to ${most}`)
    .default(REQUEST_TIMEOUT_MS),
})

/** @throws ThermoclineError `invalid_argument`, naming the flag, its value and what was expected. */
export function readConfig(args: readonly string[]): SupportBundleConfig {
  let given: Partial<Record<keyof typeof OPTIONS, unknown>>
  try {
    given = parseArgs({ args: [...args], options: OPTIONS, strict: true }).values
  } catch (error) {
    throw new ThermoclineError(
      'invalid_argument',
      `${(error as Error).message}; flags: ${Object.keys(OPTIONS)
        .map((flag) => `--${flag}`)
        .join(' ')}`,
    )
  }
  const kubernetes = KUBERNETES_FLAGS.find((flag) => given[flag] !== undefined)
  const nodes = NODES_FLAGS.find((flag) => given[flag] !== undefined)
  if (kubernetes !== undefined && nodes !== undefined) {
    const value = JSON.stringify(given[kubernetes])
    throw new ThermoclineError(
      'invalid_argument',
      `--${kubernetes}: ${value}: expected none without Kubernetes, as --endpoints and --cluster say`,
    )
  }
  const parsed = schema.safeParse(given)
  if (!parsed.success) throw invalid(parsed.error.issues[0], given)
  const { data } = parsed
  const source: KubernetesSource | NodesSource =
    nodes === undefined
      ? {
          kind: 'kubernetes',
          namespace: data.namespace,
          name: data.name,
          operatorNamespace: data['operator-namespace'],
          kubeconfig: data.kubeconfig,
          context: data.context,
        }
      : {
          kind: 'nodes',
          nodes: data.node.map((one) => ({ name: halves(one)[0], http: halves(one)[1] })),
          folder: data.cluster,
          misses: data.miss.map((one) => ({ what: halves(one)[0], reason: halves(one)[1] })),
        }
  return Object.freeze({ source, output: data.output, timeoutMs: data.timeout, json: given.json === true })
}

function halves(pairOf: string): [string, string] {
  const at = pairOf.indexOf('=')
  return [pairOf.slice(0, at), pairOf.slice(at + 1)]
}

function invalid(issue: z.core.$ZodIssue | undefined, given: Partial<Record<string, unknown>>): ThermoclineError {
  const flag = String(issue?.path[0])
  return new ThermoclineError('invalid_argument', `--${flag}: ${JSON.stringify(given[flag])}: ${issue?.message ?? 'is not valid'}`)
}
