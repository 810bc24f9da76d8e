/** What the memory tier is measured beside, and what each of them promises of a read. */
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Cluster, startCluster } from '../cluster.ts'
import { startMembers } from '../peers/etcd.ts'
import { setUpEtcd } from '../peers/etcd-setup.ts'
import { startMemcached } from './memcached-server.ts'
import { startRedis } from './redis-servers.ts'
import type { TargetParts } from './target.ts'

const LOADER = fileURLToPath(new URL('./loader.ts', import.meta.url))
const QUIET = '--disable-warning=ExperimentalWarning'
const loaderOf = (store: string): readonly string[] => [process.execPath, QUIET, LOADER, `--store=${store}`]

export const PEERS = ['etcd', 'redis', 'redis-durable', 'memcached'] as const
export type PeerName = (typeof PEERS)[number]

export type Say = (line: string) => void

/** Holds a million pages of one record, and what the index takes. */
const CACHE = '1GiB'
/** Of each storage node: the versions of a million pages stay in memory, too. */
const NODE_MEMORY = '1GiB'

/** Ours: one memory node before three replicas, through the client library. */
export async function startOurs(folder: string, version: string, say: Say): Promise<TargetParts> {
  return thermoclineParts(
    await startCluster(join(folder, 'thermocline'), say, ['--memory', '1', '--cache', CACHE, '--node-memory', NODE_MEMORY]),
    version,
  )
}

export function thermoclineParts(cluster: Cluster, version: string): TargetParts {
  return {
    name: 'thermocline',
    version,
    pids: cluster.pids,
    readPromise: 'linearizable; a batch is one snapshot per series',
    endpoints: cluster.endpoints,
    loader: loaderOf('thermocline'),
    loaderThreads: 1,
    stop: () => cluster.stop(),
  }
}

const START: Readonly<Record<PeerName, (folder: string, say: Say) => Promise<TargetParts>>> = {
  async etcd(folder, say) {
    const loader = setUpEtcd(say)
    const { endpoints, pids, version, stop } = await startMembers(folder)
    return {
      name: 'etcd',
      version,
      pids,
      readPromise: 'linearizable; a batch is one transaction, one snapshot',
      endpoints,
      loader: [loader, '--wait'],
      loaderThreads: availableParallelism(),
      stop,
    }
  },

  async redis(folder) {
    const { endpoint, pids, version, stop } = await startRedis(folder, false)
    return {
      name: 'redis',
      version,
      pids,
      readPromise: 'the newest write while its one server lives; everything is lost with it',
      endpoints: [endpoint],
      loader: loaderOf('redis'),
      loaderThreads: 1,
      stop,
    }
  },

  async 'redis-durable'(folder) {
    const { endpoint, pids, version, stop } = await startRedis(folder, true)
    return {
      name: 'redis-durable',
      version,
      pids,
      readPromise:
        'the newest write while the primary stays primary; replication is asynchronous, so after a failover an answered write may be gone, and a primary that was replaced still answers',
      endpoints: [endpoint],
      loader: [...loaderOf('redis'), '--replicas=1'],
      loaderThreads: 1,
      // Waiting for one, the other could fall behind until its connection is dropped.
      fillFlags: ['--replicas=2'],
      stop,
    }
  },

  async memcached(folder) {
    const { endpoint, pids, version, stop } = await startMemcached(folder)
    return {
      name: 'memcached',
      version,
      pids,
      readPromise: 'a cache: what it holds is what was last put into it, which may be older than the store behind it, or nothing',
      endpoints: [endpoint],
      loader: loaderOf('memcached'),
      loaderThreads: 1,
      stop,
    }
  },
}

/** @throws Error that says what is missing, or what the server said. */
export async function startPeer(name: PeerName, folder: string, say: Say): Promise<TargetParts> {
  try {
    return await START[name](join(folder, name), say)
  } catch (error) {
    throw new Error(`${name} does not start: ${(error as Error).message}\nto measure without it, name the others: --peers`, {
      cause: error,
    })
  }
}
