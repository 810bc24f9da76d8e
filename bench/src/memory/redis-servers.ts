/**
 * Redis in two forms. In memory: one server that writes nothing to the disk. Durable: a primary and two replicas, each of
 * which syncs its append-only file before it answers; a write waits for one replica, so it is on two of three disks, as
 * with a majority. Reads go to the primary in both.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { freePorts, Server } from '../processes.ts'
import { findTool, versionOf } from './tool.ts'

const START_TIMEOUT_MS = 30_000
const STOP_GRACE_MS = 5000
const REPLICAS = 2

const IN_MEMORY = ['--save', '', '--appendonly', 'no']
/** No rewrite of the file, which would take CPU at a moment of its own choice; no waiting for further replicas to copy to. */
const DURABLE = ['--save', '', '--appendonly', 'yes', '--appendfsync', 'always', '--auto-aof-rewrite-percentage', '0']
const PRIMARY = ['--repl-diskless-sync-delay', '0']

export interface RedisServers {
  /** Of the primary. */
  readonly endpoint: string
  readonly pids: readonly number[]
  readonly version: string
  stop(): Promise<void>
}

export async function startRedis(folder: string, isDurable: boolean): Promise<RedisServers> {
  const tool = findTool('redis-server')
  const ports = await freePorts(isDurable ? 1 + REPLICAS : 1)
  const [primary] = ports as [number]
  const servers = ports.map((port, at) => {
    const data = join(folder, String(at))
    mkdirSync(data, { recursive: true })
    const role = at === 0 ? PRIMARY : ['--replicaof', `127.0.0.1 ${primary}`]
    const flags = ['--port', String(port), '--bind', '127.0.0.1', '--dir', data, ...(isDurable ? [...DURABLE, ...role] : IN_MEMORY)]
    return new Server(`redis-server ${at}`, [tool, ...flags], join(folder, `${at}.log`))
  })
  const stop = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.stop(STOP_GRACE_MS)))
  }
  try {
    for (const [at, server] of servers.entries()) {
      const ready = at === 0 ? 'Ready to accept connections' : 'MASTER <-> REPLICA sync: Finished with success'
      await server.until(() => server.output().includes(ready) || undefined, START_TIMEOUT_MS)
    }
  } catch (error) {
    await stop()
    throw error
  }
  return { endpoint: `127.0.0.1:${primary}`, pids: servers.map(({ pid }) => pid), version: versionOf(tool, /v=(\S+)/), stop }
}
