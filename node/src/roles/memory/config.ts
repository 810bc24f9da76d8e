/** Flags and environment of `thermocline node --role memory` → one checked, frozen configuration, read once. */
import { hostname } from 'node:os'
import { DEFAULT_DATA_PORT, DEFAULT_HTTP_PORT, type Flags, MAX_GROUPS, MAX_MEMORY_MACHINES, readFlags } from '@thermocline/protocol'
import { z } from 'zod'
import type { TrafficLimits } from '../../doors/traffic.ts'
import { address, hosts, logLevel, size, whole } from '../../flag-values.ts'

export interface MemoryConfig {
  readonly role: 'memory'
  readonly group: number
  readonly machine: number
  readonly clusterId: string
  readonly storage: readonly string[]
  readonly listen: string
  readonly http: string
  /** Names by which the HTTP port may be asked, beside those that it always answers to. */
  readonly allowHosts: readonly string[]
  readonly cacheBytes: number
  /** Undefined: in process memory. */
  readonly cacheDir: string | undefined
  /** An empty cache is filled with what peers hold hottest. */
  readonly prefetch: boolean
  readonly logLevel: 'trace' | 'debug' | 'info' | 'warn' | 'error'
}

/** A part of the room that docs/memory-tier.md asks for beside the cache. */
export const MEMORY_NODE_TRAFFIC: TrafficLimits = {
  unfinishedBytes: 16 * 1024 * 1024,
  untakenBytes: 64 * 1024 * 1024,
  connections: 32_768,
}

/** Every flag: the reference page is generated from this. */
export const MEMORY_FLAGS = {
  role: { env: 'THERMOCLINE_ROLE', fallback: 'memory', about: 'What this node does: memory.' },
  group: { env: 'THERMOCLINE_GROUP', fallback: '0', about: `Memory group, 0 to ${MAX_GROUPS - 1}.` },
  machine: {
    env: 'THERMOCLINE_MACHINE',
    fallback: '0',
    about: `Machine in the group, 0 to ${MAX_MEMORY_MACHINES - 1}; hostname: the number that ends the host’s name, as in a StatefulSet.`,
  },
  cluster: { env: 'THERMOCLINE_CLUSTER', fallback: undefined, about: 'Cluster id, 32 hexadecimal digits. Required.' },
  storage: {
    env: 'THERMOCLINE_STORAGE',
    fallback: undefined,
    about: 'Data ports of any storage nodes, host:port with commas between; the rest is learnt from them. Required.',
  },
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
  cache: {
    env: 'THERMOCLINE_CACHE',
    fallback: '1GiB',
    about: 'Size of the cache’s file, all of it: bytes, or with KiB, MiB, GiB; at least 32MiB.',
  },
  'cache-dir': {
    env: 'THERMOCLINE_CACHE_DIR',
    fallback: '/dev/shm',
    about: 'Where the cache’s file lives: a tmpfs, so that it outlives the process. Empty keeps it in process memory.',
  },
  prefetch: {
    env: 'THERMOCLINE_PREFETCH',
    fallback: 'on',
    about: 'on: a cache that begins empty takes over what its peers hold hottest, before the node is ready; off: it does not.',
  },
  'log-level': { env: 'THERMOCLINE_LOG_LEVEL', fallback: 'info', about: 'trace, debug, info, warn or error.' },
} as const satisfies Flags

/** Value of --machine. */
const OF_HOSTNAME = 'hostname'
const MIN_CACHE_BYTES = 32 * 1024 * 1024

const schema = z.strictObject({
  role: z.literal('memory', 'expected memory'),
  group: whole(MAX_GROUPS - 1),
  machine: whole(MAX_MEMORY_MACHINES - 1),
  cluster: z.string('is required').regex(/^[0-9a-f]{32}$/, 'expected 32 hexadecimal digits'),
  storage: z
    .string('is required')
    .transform((text) => text.split(',').map((one) => one.trim()))
    .pipe(z.array(address)),
  listen: address,
  http: address,
  'allow-host': hosts,
  cache: size(MIN_CACHE_BYTES),
  'cache-dir': z.string(),
  prefetch: z.enum(['on', 'off'], 'expected on or off'),
  'log-level': logLevel,
})

/**
 * Reads the configuration; flags win over the environment.
 * @throws ThermoclineError `invalid_argument`, naming the flag, its value and what was expected.
 */
export function readMemoryConfig(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  host = hostname(),
): MemoryConfig {
  const data = readFlags('thermocline node --role memory', MEMORY_FLAGS, schema, args, env, (given) => {
    if (given.machine === OF_HOSTNAME) given.machine = /-(\d+)$/.exec(host)?.[1] ?? `${OF_HOSTNAME}, which is ${host}`
  })
  return Object.freeze({
    role: data.role,
    group: data.group,
    machine: data.machine,
    clusterId: data.cluster,
    storage: data.storage,
    listen: data.listen,
    http: data.http,
    allowHosts: data['allow-host'],
    cacheBytes: data.cache,
    cacheDir: data['cache-dir'] === '' ? undefined : data['cache-dir'],
    prefetch: data.prefetch === 'on',
    logLevel: data['log-level'],
  })
}
