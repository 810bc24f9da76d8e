/** etcd: three members on this machine with its default settings, each write synced by a majority, as ours are. */
import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { runLoaders, runQuietly } from '../loader-process.ts'
import { freePorts, Server } from '../processes.ts'
import { mergeSamples, type Sample } from '../sample.ts'
import type { System } from '../system.ts'
import { KEYS, VALUE_BYTES, type Workload } from '../workloads.ts'

const MEMBERS = 3
const START_TIMEOUT_MS = 30_000
const STOP_GRACE_MS = 5000
/** Its default of 2 GiB ends a long run: every put keeps a revision. */
const QUOTA_BYTES = 4 * 1024 * 1024 * 1024

export interface EtcdMembers {
  readonly endpoints: readonly string[]
  readonly pids: readonly number[]
  readonly version: string
  stop(): Promise<void>
}

/** Three members, empty. */
export async function startMembers(folder: string): Promise<EtcdMembers> {
  mkdirSync(folder, { recursive: true })
  const ports = await freePorts(2 * MEMBERS)
  const client = (member: number) => `http://127.0.0.1:${ports[2 * member]}`
  const peer = (member: number) => `http://127.0.0.1:${ports[2 * member + 1]}`
  const all = Array.from({ length: MEMBERS }, (_, member) => member)
  const servers = all.map((member) => {
    const flags = {
      name: `m${member}`,
      'data-dir': join(folder, `m${member}`),
      'listen-client-urls': client(member),
      'advertise-client-urls': client(member),
      'listen-peer-urls': peer(member),
      'initial-advertise-peer-urls': peer(member),
      'initial-cluster': all.map((one) => `m${one}=${peer(one)}`).join(','),
      'initial-cluster-state': 'new',
      'quota-backend-bytes': String(QUOTA_BYTES),
      logger: 'zap',
      'log-level': 'error',
    }
    const command = ['etcd', ...Object.entries(flags).map(([name, value]) => `--${name}=${value}`)]
    return new Server(`etcd member ${member}`, command, join(folder, `m${member}.log`))
  })
  const stop = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.stop(STOP_GRACE_MS)))
  }
  try {
    await Promise.all(servers.map((server, member) => server.until(() => isHealthy(client(member)), START_TIMEOUT_MS)))
  } catch (error) {
    await stop()
    throw error
  }
  return {
    endpoints: all.map((member) => new URL(client(member)).host),
    pids: servers.map(({ pid }) => pid),
    version: /etcd Version: (\S+)/.exec(execFileSync('etcd', ['--version'], { encoding: 'utf8' }))?.[1] ?? 'unknown',
    stop,
  }
}

export async function startEtcd(folder: string, loader: string): Promise<Etcd> {
  const members = await startMembers(folder)
  const etcd = new Etcd(members, loader)
  try {
    await etcd.fill()
    return etcd
  } catch (error) {
    await members.stop()
    throw error
  }
}

async function isHealthy(url: string): Promise<true | undefined> {
  try {
    const { health } = (await (await fetch(`${url}/health`)).json()) as { health: string }
    return health === 'true' ? true : undefined
  } catch {
    // It does not listen yet.
    return undefined
  }
}

export class Etcd implements System {
  readonly name = 'etcd'
  readonly version: string
  readonly pids: readonly number[]
  readonly loaderThreads = availableParallelism()
  private readonly members: EtcdMembers
  private readonly endpoints: string
  private readonly loader: string

  constructor(members: EtcdMembers, loader: string) {
    this.members = members
    this.pids = members.pids
    this.endpoints = members.endpoints.join(',')
    this.loader = loader
    this.version = members.version
  }

  async fill(): Promise<void> {
    await runQuietly(this.command({ mode: 'fill' }))
  }

  async load({ mode, clients, batch, connections }: Workload, seconds: number): Promise<Sample> {
    const command = this.command({
      mode,
      clients: String(clients),
      connections: String(connections === 'clients' ? clients : (connections ?? Math.min(clients, 64))),
      batch: String(batch),
      seconds: String(seconds),
      pids: this.pids.join(','),
    })
    return mergeSamples(await runLoaders([command], false))
  }

  private command(flags: Readonly<Record<string, string>>): string[] {
    const all = { endpoints: this.endpoints, keys: String(KEYS), 'value-bytes': String(VALUE_BYTES), ...flags }
    return [this.loader, ...Object.entries(all).map(([name, value]) => `-${name}=${value}`)]
  }

  async stop(): Promise<void> {
    await this.members.stop()
  }
}
