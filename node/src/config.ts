/** Flags and environment of `thermocline node` → one checked, frozen configuration, read once. */
import { hostname } from 'node:os'
import { DEFAULT_DATA_PORT, DEFAULT_HTTP_PORT, MAX_GROUPS, MAX_REPLICAS, readFlags } from '@thermocline/protocol'
import { z } from 'zod'
import { address, hosts, logLevel, size, whole } from './flag-values.ts'

export interface NodeConfig {
  readonly role: 'storage'
  readonly dataDir: string
  readonly group: number
  readonly replica: number
  readonly clusterId: string
  readonly listen: string
  readonly http: string
  /** Names by which the HTTP port may be asked, beside those that it always answers to. */
  readonly allowHosts: readonly string[]
  readonly memoryBytes: number
  readonly logBytes: number
  /** Log segments are this large. */
  readonly segmentBytes: number
  readonly tokenFile: string | undefined
  /** `wait`: whoever has the token may order that what is on the volume is moved aside. */
  readonly foreignVolume: 'refuse' | 'wait'
  readonly versionCacheDir: string | undefined
  /** Undefined: a share of the memory. */
  readonly versionCacheBytes: number | undefined
  /** 0: digests are not compared. */
  readonly auditMs: number
  readonly logLevel: 'trace' | 'debug' | 'info' | 'warn' | 'error'
}

/** Every flag: the reference page is generated from this. The environment variable is THERMOCLINE_<NAME>. */
export const FLAGS = {
  role: { env: 'THERMOCLINE_ROLE', fallback: 'storage', about: 'What this node does: storage.' },
  data: { env: 'THERMOCLINE_DATA', fallback: undefined, about: 'The data directory: one volume, one replica. Required.' },
  group: { env: 'THERMOCLINE_GROUP', fallback: '0', about: `Storage group, 0 to ${MAX_GROUPS - 1}.` },
  replica: {
    env: 'THERMOCLINE_REPLICA',
    fallback: undefined,
    about: `Slot in the group, 0 to ${MAX_REPLICAS - 1}; hostname: the number that ends the host’s name, as in a StatefulSet. Required.`,
  },
  cluster: { env: 'THERMOCLINE_CLUSTER', fallback: undefined, about: 'Cluster id, 32 hexadecimal digits. Required.' },
  listen: {
    env: 'THERMOCLINE_LISTEN',
    fallback: `127.0.0.1:${DEFAULT_DATA_PORT}`,
    about: 'Where the data port listens, host:port; port 0 picks a free one.',
  },
  http: {
    env: 'THERMOCLINE_HTTP',
    fallback: `127.0.0.1:${DEFAULT_HTTP_PORT}`,
    about: 'Where the HTTP port listens, host:port; port 0 picks a free one.',
  },
  'allow-host': {
    env: 'THERMOCLINE_ALLOW_HOST',
    fallback: '',
    about:
      'Names by which the HTTP port may be asked, with commas between: a Host or Origin header with another one is refused; * is any. On loopback localhost, 127.0.0.1 and [::1] are always allowed; elsewhere any name is, unless some are given here.',
  },
  memory: { env: 'THERMOCLINE_MEMORY', fallback: '512MiB', about: 'Memory the process aims to stay within: bytes, or with KiB, MiB, GiB.' },
  'log-bytes': { env: 'THERMOCLINE_LOG_BYTES', fallback: '256MiB', about: 'Log kept on disk for peers to catch up from.' },
  'token-file': {
    env: 'THERMOCLINE_TOKEN_FILE',
    fallback: undefined,
    about: 'File with the token that admin writes need; readable by its owner only. Without it admin writes are refused.',
  },
  'foreign-volume': {
    env: 'THERMOCLINE_FOREIGN_VOLUME',
    fallback: 'refuse',
    about:
      'What to do if the data directory is another’s, or does not say whose it is. refuse: say so and end; wait: say so in the status, and move it aside, whole, when an operator orders it.',
  },
  'version-cache-dir': {
    env: 'THERMOCLINE_VERSION_CACHE_DIR',
    fallback: '/dev/shm',
    about: 'Where the version cache lives: a tmpfs, so that it outlives the process. Empty keeps it in process memory.',
  },
  'version-cache': {
    env: 'THERMOCLINE_VERSION_CACHE',
    fallback: undefined,
    about: 'Size of the version cache: bytes, or with KiB, MiB, GiB. By default a twentieth of the memory.',
  },
  'audit-hours': {
    env: 'THERMOCLINE_AUDIT_HOURS',
    fallback: '24',
    about: 'In so many hours the digests of all blocks are compared with the other replicas’ once, in the background; 0: never.',
  },
  'log-level': { env: 'THERMOCLINE_LOG_LEVEL', fallback: 'info', about: 'trace, debug, info, warn or error.' },
} as const

/** Value of --replica. */
const OF_HOSTNAME = 'hostname'
const MIN_MEMORY_BYTES = 128 * 1024 * 1024
const MIN_LOG_BYTES = 64 * 1024 * 1024
const MAX_AUDIT_HOURS = 24 * 365
const HOUR_MS = 3_600_000
const MIN_VERSION_CACHE_BYTES = 1024 * 1024
export const SEGMENT_BYTES = 16 * 1024 * 1024

const schema = z.strictObject({
  role: z.literal('storage', 'expected storage'),
  data: z.string('is required').min(1, 'expected a directory'),
  group: whole(MAX_GROUPS - 1),
  replica: z.string('is required').pipe(whole(MAX_REPLICAS - 1)),
  cluster: z.string('is required').regex(/^[0-9a-f]{32}$/, 'expected 32 hexadecimal digits'),
  listen: address,
  http: address,
  'allow-host': hosts,
  memory: size(MIN_MEMORY_BYTES),
  'log-bytes': size(MIN_LOG_BYTES),
  'token-file': z.string().optional(),
  'foreign-volume': z.enum(['refuse', 'wait'], 'expected refuse or wait'),
  'version-cache-dir': z.string(),
  'version-cache': size(MIN_VERSION_CACHE_BYTES).optional(),
  'audit-hours': whole(MAX_AUDIT_HOURS),
  'log-level': logLevel,
})

/**
 * Reads the configuration; flags win over the environment.
 * @throws ThermoclineError `invalid_argument`, naming the flag, its value and what was expected.
 */
export function readConfig(args: readonly string[], env: Readonly<Record<string, string | undefined>>, host = hostname()): NodeConfig {
  const data = readFlags('thermocline node', FLAGS, schema, args, env, (given) => {
    if (given.replica === OF_HOSTNAME) given.replica = /-(\d+)$/.exec(host)?.[1] ?? `${OF_HOSTNAME}, which is ${host}`
  })
  return Object.freeze({
    role: data.role,
    dataDir: data.data,
    group: data.group,
    replica: data.replica,
    clusterId: data.cluster,
    listen: data.listen,
    http: data.http,
    allowHosts: data['allow-host'],
    memoryBytes: data.memory,
    logBytes: data['log-bytes'],
    segmentBytes: SEGMENT_BYTES,
    tokenFile: data['token-file'],
    foreignVolume: data['foreign-volume'],
    versionCacheBytes: data['version-cache'],
    versionCacheDir: data['version-cache-dir'] === '' ? undefined : data['version-cache-dir'],
    auditMs: data['audit-hours'] * HOUR_MS,
    logLevel: data['log-level'],
  })
}
