/** memcached with a fixed memory that all pages fit into, so that it never has to drop one. */
import { mkdirSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { freePorts, Server } from '../processes.ts'
import { findTool, versionOf } from './tool.ts'

const START_TIMEOUT_MS = 30_000
const STOP_GRACE_MS = 5000
const MEMORY_MIB = 2048

export interface MemcachedServer {
  readonly endpoint: string
  readonly pids: readonly number[]
  readonly version: string
  stop(): Promise<void>
}

const accepts = (port: number): Promise<true | undefined> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(undefined))
    socket.once('connect', () => socket.destroy())
  })

export async function startMemcached(folder: string): Promise<MemcachedServer> {
  const tool = findTool('memcached')
  mkdirSync(folder, { recursive: true })
  const [port] = (await freePorts(1)) as [number]
  const user = process.getuid?.() === 0 ? ['-u', 'root'] : []
  const flags = ['-l', '127.0.0.1', '-p', String(port), '-U', '0', '-m', String(MEMORY_MIB), ...user]
  const server = new Server('memcached', [tool, ...flags], join(folder, 'memcached.log'))
  const stop = () => server.stop(STOP_GRACE_MS)
  try {
    await server.until(() => accepts(port), START_TIMEOUT_MS)
  } catch (error) {
    await stop()
    throw error
  }
  return { endpoint: `127.0.0.1:${port}`, pids: [server.pid], version: versionOf(tool, /memcached (\S+)/), stop }
}
