import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KubeObject } from '../runtime/ports.ts'
import { pathOf } from './paths.ts'
import {
  askedOfNode,
  eventLines,
  isNameOfOurs,
  isNodePod,
  isOperators,
  isOrServes,
  isVolumeOf,
  labelSelectorOf,
  leaseNames,
  logsOf,
  secretNames,
  silenceOf,
} from './selection.ts'

const object = (name: string, fields: object = {}, labels: Record<string, string> = {}): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Any',
  metadata: { name, namespace: 'ns', labels },
  ...fields,
})

test('a log before a restart is wanted only of a container that was restarted', () => {
  const pod = object('p', {
    spec: { initContainers: [{ name: 'init' }], containers: [{ name: 'node' }, { name: 'side' }] },
    status: {
      containerStatuses: [
        { name: 'node', restartCount: 2 },
        { name: 'side', restartCount: 0 },
      ],
    },
  })
  assert.deepEqual(
    logsOf(pod).map(({ container, previous }) => `${container}${previous ? ' before' : ''}`),
    ['init', 'node', 'node before', 'side'],
  )
})

test('a pod is asked at the port that it names, and not at all while it cannot answer', () => {
  const running = object('p', {
    spec: { containers: [{ name: 'node', ports: [{ name: 'http', containerPort: 99 }] }] },
    status: { phase: 'Running' },
  })
  assert.deepEqual(
    askedOfNode(running).map(({ port, path }) => `${port}${path}`),
    ['99/v1/admin/status', '99/v1/admin/topology', '99/metrics'],
  )
  assert.equal(askedOfNode(object('p'))[0]?.port, 7401)
  assert.equal(silenceOf(running), undefined)
  const waiting = { phase: 'Pending', containerStatuses: [{ name: 'node', state: { waiting: { reason: 'ImagePullBackOff' } } }] }
  assert.equal(silenceOf(object('p', { status: waiting })), 'the pod is Pending, ImagePullBackOff')
})

test('names tell what is ours, gone or not, and not what only begins alike', () => {
  for (const name of ['orders', 'orders-g0', 'orders-g12-4', 'data-orders-g0-1', 'orders-bootstrap', 'orders-admin', 'orders-storage']) {
    assert.ok(isNameOfOurs(name, ['other', 'orders']), name)
  }
  for (const name of ['orders-m0', 'orders-m3-15', 'orders-memory']) assert.ok(isNameOfOurs(name, ['orders']), name)
  for (const name of ['orders-api', 'orders2', 'data-orders', 'g0', 'orders-g0-1-x', '']) assert.ok(!isNameOfOurs(name, ['orders']), name)
  const volume = (namespace: string, name: string) => object('pv', { spec: { claimRef: { namespace, name } } })
  const namespaces = new Map([['ns', ['orders']]])
  assert.deepEqual(
    [volume('ns', 'data-orders-g0-0'), volume('else', 'data-orders-g0-0'), volume('ns', 'data-redis-0'), object('free')].map((one) =>
      isVolumeOf(one, namespaces),
    ),
    [true, false, false, false],
  )
})

test('a resource is asked for with what is there for it', () => {
  const memory = object('cache', { spec: { paxosGroupRef: { name: 'orders' } } })
  assert.deepEqual([isOrServes(object('orders'), 'orders'), isOrServes(memory, 'orders'), isOrServes(memory, 'other')], [true, true, false])
  assert.equal(labelSelectorOf(['orders', 'cache']), 'app.kubernetes.io/name=thermocline,app.kubernetes.io/instance in (orders,cache)')
  assert.deepEqual(
    ['storage', 'memory', 'operator'].map((component) => isNodePod(object('p', {}, { 'app.kubernetes.io/component': component }))),
    [true, true, false],
  )
})

test('the operator is known by the chart, whatever it is called', () => {
  assert.ok(isOperators(object('a', {}, { 'app.kubernetes.io/name': 'thermocline' })))
  assert.ok(isOperators(object('a', {}, { 'app.kubernetes.io/name': 'store', 'helm.sh/chart': 'thermocline-0.1.0' })))
  assert.ok(!isOperators(object('a', {}, { 'app.kubernetes.io/name': 'postgres', 'helm.sh/chart': 'postgres-1' })))
  const pod = object('p', { spec: { containers: [{ name: 'operator', env: [{ name: 'THERMOCLINE_LEASE_NAME', value: 'mine' }] }] } })
  assert.deepEqual([[...leaseNames([pod])], [...leaseNames([])]], [['mine'], ['thermocline-operator']])
})

test('a Secret that a pod names and nobody made stands out', () => {
  const pod = object('p', { spec: { volumes: [{ secret: { secretName: 'gone' } }, {}], imagePullSecrets: [{ name: 'pull' }] } })
  const present = ['pull', 'orders-admin', 'of-others'].map((name) => object(name))
  assert.deepEqual(
    secretNames(present, ({ metadata }) => metadata.name.startsWith('orders'), [pod]),
    [
      { name: 'gone', isThere: false },
      { name: 'orders-admin', isThere: true },
      { name: 'pull', isThere: true },
    ],
  )
})

test('events are lines by time', () => {
  const event = (fields: object) => object('e', fields)
  const about = { involvedObject: { kind: 'Pod', name: 'p' }, type: 'Warning', reason: 'Failed' }
  assert.equal(
    eventLines([
      event({ ...about, lastTimestamp: '2025-01-02T00:00:00Z', count: 3, message: 'b\nc' }),
      event({ ...about, eventTime: '2025-01-01T00:00:00Z', lastTimestamp: null, message: 'a' }),
    ]),
    '2025-01-01T00:00:00Z\tWarning\tFailed\tPod/p\ta\n2025-01-02T00:00:00Z\tWarning\tFailed\tPod/p\tb c (3 times)\n',
  )
})

test('no name leads out of the bundle', () => {
  assert.deepEqual(
    [pathOf('a', '..', 'b/c'), pathOf('a', '', '.'), pathOf('[::1]:7401'), pathOf('ä\0.log')],
    ['a/_../b_c', 'a/_/_.', '___1__7401', '__.log'],
  )
})
