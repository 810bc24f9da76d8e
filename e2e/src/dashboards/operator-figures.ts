/**
 * Stands in for an operator, which a local cluster has none of: serves the metrics that operator/README.md promises, with
 * figures made up. Panels and alerts of the operator are checked against their names and labels here.
 */
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'

const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1]
const RESOURCES = ['statefulsets', 'services', 'configmaps', 'paxosgroups/status'] as const

export class OperatorFigures {
  private readonly server: Server
  private readonly beganMs = performance.now()
  isLeader = true
  isDown = false

  constructor() {
    this.server = createServer((_request, response) => {
      if (this.isDown) response.writeHead(503).end()
      else response.setHeader('content-type', 'text/plain; version=0.0.4').end(this.text())
    })
  }

  /** Resolves to host:port. */
  async start(): Promise<string> {
    this.server.listen(0, '127.0.0.1')
    await once(this.server, 'listening')
    return `127.0.0.1:${(this.server.address() as { port: number }).port}`
  }

  stop(): void {
    this.server.close()
    this.server.closeAllConnections()
  }

  private text(): string {
    const seconds = (performance.now() - this.beganMs) / 1000
    /** A change of the resource every 40 seconds is worked at for five. */
    const busy = Math.floor(seconds / 40) * 5 + Math.min(seconds % 40, 5)
    const passes = seconds / 2 + busy * 3
    const isBusy = seconds % 40 < 5
    const of = { kind: 'PaxosGroup' }
    const group = { namespace: 'shop', name: 'orders' }
    const conditions = { Accepted: 1, Available: 1, Progressing: isBusy ? 1 : 0, Degraded: 0, Upgrading: isBusy ? 1 : 0 }
    const lines = [
      line('operator_leader', {}, this.isLeader ? 1 : 0),
      line('operator_reconciles_total', { ...of, result: 'unchanged' }, Math.floor(seconds / 2)),
      line('operator_reconciles_total', { ...of, result: 'changed' }, Math.floor(busy)),
      line('operator_reconciles_total', { ...of, result: 'waiting' }, Math.floor(busy * 2)),
      line('operator_reconciles_total', { ...of, result: 'failed' }, 0),
      ...BUCKETS.map((le) =>
        line('operator_reconcile_seconds_bucket', { ...of, le: String(le) }, Math.floor(passes * (1 - Math.exp(-le * 40)))),
      ),
      line('operator_reconcile_seconds_bucket', { ...of, le: '+Inf' }, Math.floor(passes)),
      line('operator_reconcile_seconds_sum', of, passes / 40),
      line('operator_reconcile_seconds_count', of, Math.floor(passes)),
      line('operator_queue_depth', of, isBusy ? 1 : 0),
      line('operator_definition_outdated', of, 0),
      line('operator_queue_retries_total', of, Math.floor(busy / 5)),
      line('operator_watch_restarts_total', { resource: 'pods' }, Math.floor(seconds / 60)),
      line('operator_api_requests_total', { verb: 'get', resource: 'leases', code: '200' }, Math.floor(seconds / 2)),
      line('operator_api_requests_total', { verb: 'update', resource: 'leases', code: '200' }, Math.floor(seconds / 2)),
      line('operator_api_requests_total', { verb: 'patch', resource: 'statefulsets', code: '200' }, Math.floor(busy)),
      line('operator_api_requests_total', { verb: 'watch', resource: 'pods', code: '200' }, 1 + Math.floor(seconds / 60)),
      ...RESOURCES.map((resource, at) => line('operator_writes_total', { resource }, Math.floor((busy * (at + 1)) / 4))),
      ...Object.entries(conditions).map(([type, value]) => line('paxosgroup_condition', { ...group, type }, value)),
      line('paxosgroup_replicas', group, 3),
      line('paxosgroup_voters', group, isBusy ? 2 : 3),
      line('paxosgroup_jobs', { ...group, type: 'RollingChange' }, isBusy ? 1 : 0),
      line('paxosgroup_jobs', { ...group, type: 'Recovery' }, 0),
      `process_resident_memory_bytes ${process.memoryUsage.rss()}`,
    ]
    return `${lines.join('\n')}\n`
  }
}

function line(name: string, labels: Readonly<Record<string, string>>, value: number): string {
  const inside = Object.entries(labels).map(([label, text]) => `${label}="${text}"`)
  return `thermocline_${name}${inside.length === 0 ? '' : `{${inside.join(',')}}`} ${value}`
}
