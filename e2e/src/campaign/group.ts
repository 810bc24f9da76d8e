/** Three replicas as real processes, each with a topology in which the others' addresses are its own proxies to them. */
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { parseTopology, type Topology } from '@thermocline/protocol'
import { NodeUnderTest } from './node-under-test.ts'
import { PeerProxies } from './proxy.ts'

export const REPLICAS = 3

export class Group {
  readonly nodes: readonly NodeUnderTest[]
  readonly proxies = new PeerProxies()
  private readonly killAll = (): void => {
    for (const node of this.nodes) node.killNow()
  }

  private constructor(nodes: readonly NodeUnderTest[]) {
    this.nodes = nodes
    process.once('exit', this.killAll)
  }

  /** Starts a new group; `volumes` are the folders of its replicas. */
  static async start(folder: string, volumes: readonly string[]): Promise<Group> {
    const clusterId = randomBytes(16).toString('hex')
    const token = randomBytes(16).toString('hex')
    const tokenFile = join(folder, 'token')
    writeFileSync(tokenFile, `${token}\n`, { mode: 0o600 })
    const ports = await freePorts(2 * REPLICAS)
    const nodes = volumes.map((volume, replica) => {
      const logFile = join(folder, `replica-${replica}.log`)
      const data = `127.0.0.1:${ports[2 * replica]}`
      const http = `127.0.0.1:${ports[2 * replica + 1]}`
      return new NodeUnderTest({ replica, clusterId, folder: volume, logFile, tokenFile, token, data, http })
    })
    const group = new Group(nodes)
    for (const node of nodes) node.start()
    const found = await Promise.all(nodes.map((node) => node.until(['joining'])))
    const incarnations = found.map(({ incarnation }) => incarnation)
    for (const node of nodes) await node.install(await group.topologyOf(node.place.replica, clusterId, incarnations))
    await Promise.all(nodes.map((node) => node.until(['serving'])))
    return group
  }

  private async topologyOf(
    reader: number,
    clusterId: string,
    incarnations: readonly { number: number; nonce: string }[],
  ): Promise<Topology> {
    const replicas = await Promise.all(
      this.nodes.map(async ({ place: { replica, data, http } }) => ({
        replica,
        data: replica === reader ? data : await this.proxies.open(reader, replica, data),
        http,
        zone: `zone-${replica}`,
        incarnation: incarnations[replica],
      })),
    )
    return parseTopology({ formatVersion: 1, clusterId, epoch: 1, groups: [{ group: 0, replicas }] })
  }

  get endpoints(): string[] {
    return this.nodes.map(({ place }) => place.data)
  }

  get http(): string[] {
    return this.nodes.map(({ place }) => `http://${place.http}`)
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.kill()))
    this.proxies.close()
    process.removeListener('exit', this.killAll)
  }
}

/** Below those that systems hand out to outgoing connections: a node keeps its port while it is down. */
const FIRST_PORT = 10_000
const LAST_PORT = 32_767

async function freePorts(count: number): Promise<number[]> {
  const servers = new Map<number, Server>()
  while (servers.size < count) {
    const port = FIRST_PORT + Math.floor(Math.random() * (LAST_PORT - FIRST_PORT))
    const server = createServer()
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => resolve(true))
    })
    if (isFree) servers.set(port, server)
  }
  await Promise.all([...servers.values()].map((server) => new Promise((resolve) => server.close(resolve))))
  return [...servers.keys()]
}
