import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { createHealthServer } from './health-server.ts'
import { OperatorMetrics } from './metrics.ts'

test('the metrics are those that the README lists, with its labels', async () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8').split('## Metrics')[1] ?? ''
  const listed = [...readme.matchAll(/`(thermocline_\w+)(?:\{([\w,]+)\})?`/g)].map(([, name = '', labels = '']) => `${name}{${labels}}`)
  const metrics = new OperatorMetrics()
  const made = (await metrics.registry.getMetricsAsJSON())
    .filter(({ name }) => name.startsWith('thermocline_'))
    .map(({ name }) => {
      const { labelNames = [] } = metrics.registry.getSingleMetric(name) as unknown as { labelNames?: string[] }
      return `${name}{${labelNames}}`
    })
  const histogram = 'thermocline_operator_reconcile_seconds'
  assert.deepEqual(new Set(made), new Set(listed.map((one) => (one === `${histogram}{}` ? `${histogram}{kind}` : one))))
})

test('figures of a resource go when it goes, and those of what it no longer has', async () => {
  const metrics = new OperatorMetrics()
  metrics.setPaxosGroup('ns', 'a', {
    replicas: 3,
    voters: 2,
    conditions: { Available: 'True', Progressing: 'Unknown' },
    jobs: { replace: 1, roll: 1 },
  })
  metrics.setPaxosGroup('ns', 'a', { replicas: 3, voters: 3, conditions: { Available: 'False' }, jobs: {} })
  const lines = async (): Promise<string[]> =>
    (await metrics.registry.metrics()).split('\n').filter((line) => line.includes('namespace="ns"'))
  assert.deepEqual(await lines(), [
    'thermocline_paxosgroup_condition{namespace="ns",name="a",type="Available"} 0',
    'thermocline_paxosgroup_replicas{namespace="ns",name="a"} 3',
    'thermocline_paxosgroup_voters{namespace="ns",name="a"} 3',
    ...['Recovery', 'RollingChange', 'VolumeGrowth'].map((type) => `thermocline_paxosgroup_jobs{namespace="ns",name="a",type="${type}"} 0`),
  ])
  metrics.forgetPaxosGroup('ns', 'a')
  assert.deepEqual(await lines(), [])
})

test('counters count', async () => {
  const metrics = new OperatorMetrics()
  metrics.setLeader(true)
  metrics.watchQueue('PaxosGroup', () => 7)
  metrics.reconciled('PaxosGroup', 'failed', 1500)
  metrics.watchRestarted('pods')
  metrics.requested('list', 'pods', 0)
  metrics.wrote('secrets')
  const text = await metrics.registry.metrics()
  for (const line of [
    'thermocline_operator_leader 1',
    'thermocline_operator_queue_depth{kind="PaxosGroup"} 7',
    'thermocline_operator_reconciles_total{kind="PaxosGroup",result="failed"} 1',
    'thermocline_operator_queue_retries_total{kind="PaxosGroup"} 1',
    'thermocline_operator_reconcile_seconds_sum{kind="PaxosGroup"} 1.5',
    'thermocline_operator_watch_restarts_total{resource="pods"} 1',
    'thermocline_operator_api_requests_total{verb="list",resource="pods",code="0"} 1',
    'thermocline_operator_writes_total{resource="secrets"} 1',
  ]) {
    assert.ok(text.split('\n').includes(line), line)
  }
})

test('health says why not', async () => {
  let unready: string | undefined = 'watches have not synced: pods'
  const metrics = new OperatorMetrics()
  const app = createHealthServer({ unhealthy: () => undefined, unready: () => unready, registry: metrics.registry })
  const get = async (path: string) => {
    const { statusCode, body } = await app.inject(path)
    return [statusCode, body]
  }
  assert.deepEqual(await get('/healthz'), [200, 'ok'])
  assert.deepEqual(await get('/readyz'), [503, 'watches have not synced: pods'])
  unready = undefined
  assert.deepEqual(await get('/readyz'), [200, 'ok'])
  assert.match(String((await get('/metrics'))[1]), /thermocline_operator_leader 0/)
  assert.equal((await get('/other'))[0], 404)
  await app.close()
})
