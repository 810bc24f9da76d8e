/** Flags and environment of `thermocline operator` → one checked, frozen configuration, read once. */
import { hostname } from 'node:os'
import { readFlags } from '@thermocline/protocol'
import { z } from 'zod'
import { GRANT_NAMES, type PodTemplateGrants } from './plan/pod-template-grants.ts'

export interface OperatorConfig {
  /** Empty: all. */
  readonly namespaces: readonly string[]
  readonly image: string
  readonly clusterDomain: string
  /** What podTemplates of resources may set. */
  readonly podTemplateGrants: PodTemplateGrants
  readonly tokenKeyFile: string
  readonly leaseNamespace: string
  readonly leaseName: string
  readonly identity: string
  readonly http: string
  readonly workers: number
  /** Nodes and volumes of the whole cluster may be read. */
  readonly watchNodes: boolean
  readonly logLevel: 'trace' | 'debug' | 'info' | 'warn' | 'error'
}

/** Every flag: the reference page is generated from this. */
export const FLAGS = {
  namespaces: { env: 'THERMOCLINE_NAMESPACES', fallback: '', about: 'Namespaces whose resources are served, with commas; empty: all.' },
  image: { env: 'THERMOCLINE_NODE_IMAGE', fallback: undefined, about: 'Image of nodes whose resource names none. Required.' },
  'cluster-domain': { env: 'THERMOCLINE_CLUSTER_DOMAIN', fallback: 'cluster.local', about: 'The domain of the cluster’s DNS.' },
  'pod-template-grants': {
    env: 'THERMOCLINE_POD_TEMPLATE_GRANTS',
    fallback: '',
    about: `What spec.podTemplate of resources may set besides what is harmless, with commas: ${GRANT_NAMES.join(', ')}.`,
  },
  'token-key-file': {
    env: 'THERMOCLINE_TOKEN_KEY_FILE',
    fallback: undefined,
    about: 'File with the key that the nodes’ admin tokens are made with. Required.',
  },
  'lease-namespace': {
    env: 'THERMOCLINE_LEASE_NAMESPACE',
    fallback: undefined,
    about: 'Namespace of the Lease by which one operator leads. Required.',
  },
  'lease-name': { env: 'THERMOCLINE_LEASE_NAME', fallback: 'thermocline-operator', about: 'Name of that Lease.' },
  identity: { env: 'THERMOCLINE_IDENTITY', fallback: undefined, about: 'Who this operator is on the Lease; the host’s name by default.' },
  http: { env: 'THERMOCLINE_HTTP', fallback: '0.0.0.0:8080', about: 'Where /healthz, /readyz and /metrics are served, host:port.' },
  workers: { env: 'THERMOCLINE_WORKERS', fallback: '4', about: 'Resources that are worked on at once, 1 to 64.' },
  'watch-nodes': {
    env: 'THERMOCLINE_WATCH_NODES',
    fallback: 'true',
    about: 'Whether nodes and volumes of the whole cluster may be read: without them zones are unknown, and lost nodes are not noticed.',
  },
  'log-level': { env: 'THERMOCLINE_LOG_LEVEL', fallback: 'info', about: 'trace, debug, info, warn or error.' },
} as const

const NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/
const name = z.string('is required').regex(NAME, 'expected a name of Kubernetes, like thermocline-system')

const schema = z.strictObject({
  namespaces: z
    .string()
    .transform((text) => text.split(',').flatMap((one) => (one.trim() === '' ? [] : [one.trim()])))
    .refine((names) => names.every((one) => NAME.test(one)), 'expected names of namespaces with commas between them'),
  image: z.string('is required').min(1, 'expected an image'),
  'cluster-domain': z.string().regex(/^[a-z0-9.-]+$/, 'expected a domain like cluster.local'),
  'pod-template-grants': z
    .string()
    .transform((text) => text.split(',').flatMap((one) => (one.trim() === '' ? [] : [one.trim()])))
    .pipe(z.array(z.enum(GRANT_NAMES, `expected some of ${GRANT_NAMES.join(', ')}, with commas between them`))),
  'token-key-file': z.string('is required').min(1, 'expected a file'),
  'lease-namespace': name,
  'lease-name': name,
  identity: z.string().min(1, 'expected a name'),
  http: z.string().regex(/^(\[[0-9a-f:]+\]|[^\s:]+):\d{1,5}$/i, 'expected host:port'),
  workers: z
    .string()
    .regex(/^\d+$/, 'expected a whole number')
    .transform(Number)
    .refine((count) => count >= 1 && count <= 64, 'expected 1 to 64'),
  'watch-nodes': z.enum(['true', 'false'], 'expected true or false').transform((text) => text === 'true'),
  'log-level': z.enum(['trace', 'debug', 'info', 'warn', 'error'], 'expected trace, debug, info, warn or error'),
})

/**
 * Reads the configuration; flags win over the environment.
 * @throws ThermoclineError `invalid_argument`, naming the flag, its value and what was expected.
 */
export function readConfig(args: readonly string[], env: Readonly<Record<string, string | undefined>>): OperatorConfig {
  const data = readFlags('thermocline operator', FLAGS, schema, args, env, (given) => {
    given.identity ??= hostname()
  })
  return Object.freeze({
    namespaces: data.namespaces,
    image: data.image,
    clusterDomain: data['cluster-domain'],
    podTemplateGrants: new Set(data['pod-template-grants']),
    tokenKeyFile: data['token-key-file'],
    leaseNamespace: data['lease-namespace'],
    leaseName: data['lease-name'],
    identity: data.identity,
    http: data.http,
    workers: data.workers,
    watchNodes: data['watch-nodes'],
    logLevel: data['log-level'],
  })
}
