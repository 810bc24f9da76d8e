/** The HTTP port of a memory node: health, facts for people and the operator, and figures for Prometheus. */
import { splitAddress, ThermoclineError } from '@thermocline/protocol'
import { fastify } from 'fastify'
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import { VERSION } from '../../version.ts'
import type { MemoryConfig } from './config.ts'
import { addHotPages } from './hot-pages.ts'
import type { MemoryNode } from './memory-node.ts'

const PREFIX = 'thermocline_memory_'

/** Counters by the tier's own names. */
const COUNTERS = {
  requests: 'Gets and scans that came.',
  joined: 'Of those, requests that travelled with an equal one.',
  again: 'Of those, requests that needed another validation.',
  notCached: 'Of those, requests that were left to the storage tier.',
  validations: 'Validations sent to the storage tier.',
  series: 'Series in them.',
  later: 'Series that the storage tier could not answer at once.',
} as const

const VERDICTS = ['unchanged', 'absent', 'records', 'page', 'large'] as const
const RING_COUNTERS = ['hits', 'misses', 'evictions', 'torn'] as const

export interface MemoryHttp {
  /** @returns the address in use. @throws ThermoclineError `port_in_use`. */
  listen(address: string): Promise<string>
  close(): Promise<void>
}

export function createMemoryHttp(node: MemoryNode, config: MemoryConfig): MemoryHttp {
  const app = fastify({ forceCloseConnections: true })
  const figures = new MemoryFigures(node)
  app.get('/healthz', () => 'ok')
  app.get('/readyz', (_request, reply) => {
    if (node.state === 'serving') return 'ok'
    return reply
      .status(503)
      .send(
        `${node.state}: ${node.state === 'warming' ? 'it takes over what its peers hold hottest' : 'the storage tier has not told its topology yet'}`,
      )
  })
  app.get('/metrics', async (_request, reply) => reply.type(figures.registry.contentType).send(await figures.text()))
  app.get('/v1/admin/status', () => ({
    role: 'memory',
    version: VERSION,
    state: node.state,
    clusterId: config.clusterId,
    group: config.group,
    machine: config.machine,
    epoch: node.topology()?.epoch ?? 0,
    addresses: { data: node.dataAddress, http: node.httpAddress },
    clients: node.clients,
    cache: node.stats(),
  }))
  app.get('/v1/admin/topology', (_request, reply) => node.topology() ?? reply.status(404).send())
  addHotPages(app, node)
  return {
    listen: async (address) => {
      const { host, port } = splitAddress(address)
      try {
        await app.listen({ host, port })
      } catch (cause) {
        if ((cause as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw cause
        throw new ThermoclineError('port_in_use', `http: another process listens on ${address}`, { cause })
      }
      const bound = app.server.address()
      return bound === null || typeof bound === 'string' ? address : `${host.includes(':') ? `[${host}]` : host}:${bound.port}`
    },
    close: () => app.close(),
  }
}

class MemoryFigures {
  readonly registry = new Registry()
  private readonly node: MemoryNode
  private readonly counters: ReadonlyMap<keyof typeof COUNTERS, Counter>
  private readonly verdicts: Counter
  private readonly rings: ReadonlyMap<(typeof RING_COUNTERS)[number], Counter>
  private readonly ringBytes: Gauge
  private readonly ringAge: Gauge
  private readonly waiting: Gauge
  private readonly clients: Gauge

  constructor(node: MemoryNode) {
    this.node = node
    const registers = [this.registry]
    collectDefaultMetrics({ register: this.registry })
    this.counters = new Map(
      Object.entries(COUNTERS).map(([name, help]) => [
        name as keyof typeof COUNTERS,
        new Counter({ name: `${PREFIX}${snake(name)}_total`, help, registers }),
      ]),
    )
    this.verdicts = new Counter({ name: `${PREFIX}verdicts_total`, help: 'Pages by how they stood.', labelNames: ['verdict'], registers })
    this.rings = new Map(
      RING_COUNTERS.map((name) => [
        name,
        new Counter({ name: `${PREFIX}ring_${name}_total`, help: `Pages of a ring: ${name}.`, labelNames: ['ring'], registers }),
      ]),
    )
    this.ringBytes = new Gauge({ name: `${PREFIX}ring_bytes`, help: 'Bytes of a ring that hold pages.', labelNames: ['ring'], registers })
    this.ringAge = new Gauge({
      name: `${PREFIX}ring_oldest_age_seconds`,
      help: 'Since when a ring’s oldest page has been there.',
      labelNames: ['ring'],
      registers,
    })
    this.waiting = new Gauge({ name: `${PREFIX}requests_waiting`, help: 'Requests that are not answered yet.', registers })
    this.clients = new Gauge({ name: `${PREFIX}client_connections`, help: 'Connections to the data port.', registers })
  }

  async text(): Promise<string> {
    const stats = this.node.stats()
    this.clients.set(this.node.clients)
    if (stats !== undefined) {
      for (const [name, counter] of this.counters) setTo(counter, {}, stats[name])
      for (const verdict of VERDICTS) setTo(this.verdicts, { verdict }, stats[verdict])
      this.waiting.set(stats.waiting)
      this.setRings(stats.rings)
    }
    return this.registry.metrics()
  }

  private setRings(rings: NonNullable<ReturnType<MemoryNode['stats']>>['rings']): void {
    for (const [name, counter] of this.rings) {
      counter.reset()
      for (const [ring, figures] of rings.entries()) counter.inc({ ring: String(ring) }, figures[name])
    }
    for (const [at, { bytes, oldestSeconds }] of rings.entries()) {
      const ring = String(at)
      this.ringBytes.set({ ring }, bytes)
      this.ringAge.set({ ring }, oldestSeconds === 0 ? 0 : Math.max(0, Date.now() / 1000 - oldestSeconds))
    }
  }
}

const snake = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

/** The tier counts by itself: what Prometheus is told is what it has come to. */
function setTo(counter: Counter, labels: Record<string, string>, value: number): void {
  counter.remove(labels)
  counter.inc(labels, value)
}
