/**
 * `/metrics` in the format of Prometheus. The node counts in plain fields; nothing is labelled or observed on the hot
 * path. When somebody asks, the figures of `status()` are copied into the metrics.
 */
import type { FastifyInstance } from 'fastify'
import { Counter, Gauge, Registry } from 'prom-client'
import { z } from 'zod'
import { describeMetric, type NodeGaugeName } from './metric-table.ts'
import type { AdminService, NodeState, NodeStatus } from './ports.ts'
import { collectProcessMetrics } from './process-metrics.ts'

const PREFIX = 'thermocline_'
const STATES: readonly NodeState[] = ['starting', 'joining', 'learning', 'serving', 'stopping', 'failed', 'foreign']

class NodeMetrics {
  readonly registry = new Registry()
  private readonly admin: AdminService
  private readonly counters = new Map<string, Counter>()
  private readonly gauges = new Map<string, Gauge>()
  private readonly state: Gauge<'state'>
  private readonly peers: Gauge<'replica'>
  private readonly info: Gauge<'version' | 'role' | 'group' | 'replica' | 'mode'>

  constructor(admin: AdminService) {
    this.admin = admin
    collectProcessMetrics(this.registry)
    const registers = [this.registry]
    this.state = new Gauge({ name: `${PREFIX}state`, help: describeMetric('state'), labelNames: ['state'], registers })
    this.peers = new Gauge({ name: `${PREFIX}peer_live`, help: describeMetric('peer_live'), labelNames: ['replica'], registers })
    this.info = new Gauge({
      name: `${PREFIX}info`,
      help: describeMetric('info'),
      labelNames: ['version', 'role', 'group', 'replica', 'mode'],
      registers,
    })
  }

  async text(): Promise<string> {
    const status = this.admin.status()
    this.setLabelled(status)
    for (const [name, value] of Object.entries(status.counters)) {
      const counter = this.counter(name)
      counter.reset()
      counter.inc(value)
    }
    const own: Record<NodeGaugeName, number> = {
      epoch: status.epoch,
      topology_memory_machines: this.admin.topology()?.memory?.groups.flat().length ?? 0,
      boot: status.boot,
      uptime_seconds: status.uptimeMs / 1000,
      memory_limit_bytes: status.memory.limitBytes,
      writes_accepted: status.writes.state === 'accepted' ? 1 : 0,
    }
    // Figures of the status that an absent replica does not give.
    const { known, open, behind } = status.blocks
    const replica = {
      blocks_known: known,
      blocks_open: open,
      blocks_behind: behind,
      chosen_entries: status.chosenTotal,
      log_segments: status.log.segments,
    }
    const gauges = { ...replica, ...status.gauges, ...own }
    for (const [name, value] of Object.entries(gauges)) this.gauge(name).set(value)
    return this.registry.metrics()
  }

  private setLabelled(status: NodeStatus): void {
    for (const state of STATES) this.state.set({ state }, status.state === state ? 1 : 0)
    for (const peer of status.peers) this.peers.set({ replica: String(peer.replica) }, peer.live ? 1 : 0)
    this.info.reset()
    const { version, role, group, replica, mode } = status
    this.info.set({ version, role, group: String(group), replica: String(replica), mode }, 1)
  }

  private counter(name: string): Counter {
    let counter = this.counters.get(name)
    if (counter === undefined) {
      const full = `${PREFIX}${name}${name.endsWith('_total') ? '' : '_total'}`
      counter = new Counter({ name: full, help: describeMetric(name), registers: [this.registry] })
      this.counters.set(name, counter)
    }
    return counter
  }

  private gauge(name: string): Gauge {
    let gauge = this.gauges.get(name)
    if (gauge === undefined) {
      gauge = new Gauge({ name: `${PREFIX}${name}`, help: describeMetric(name), registers: [this.registry] })
      this.gauges.set(name, gauge)
    }
    return gauge
  }
}

export function addMetricsRoute(app: FastifyInstance, admin: AdminService): void {
  const metrics = new NodeMetrics(admin)
  app.get(
    '/metrics',
    { schema: { summary: 'Figures for Prometheus', tags: ['health'], querystring: z.strictObject({}) } },
    async (_request, reply) => reply.type(metrics.registry.contentType).send(await metrics.text()),
  )
}
