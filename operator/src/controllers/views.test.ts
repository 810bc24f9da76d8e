import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KubeObject } from '../runtime/mod.ts'
import { viewClaim, viewNode, viewPod, viewStatefulSet } from './views.ts'

const GIB = 1024 ** 3
const object = (kind: string, fields: Record<string, unknown> = {}, metadata: object = {}): KubeObject => ({
  apiVersion: 'v1',
  kind,
  metadata: { name: 'x', uid: 'u', resourceVersion: '5', ...metadata },
  ...fields,
})
const troubleOf = (status: Record<string, unknown>): string | undefined => viewPod(object('Pod', { status })).trouble
const waiting = (reason: string, more: object = {}, last: object = {}): Record<string, unknown> => ({
  containerStatuses: [{ state: { waiting: { reason, ...more } }, lastState: last }],
})

test('a pod as the plan sees it; what is missing means what Kubernetes says', () => {
  assert.deepEqual(viewPod(object('Pod')), {
    name: 'x',
    uid: 'u',
    resourceVersion: '5',
    node: undefined,
    ip: undefined,
    phase: 'Pending',
    isReady: false,
    isDeleting: false,
    templateHash: undefined,
    createdAtMs: 0,
    trouble: undefined,
  })
  const ready = { phase: 'Running', podIP: '10.0.0.1', conditions: [{ type: 'Ready', status: 'True' }] }
  const pod = viewPod(object('Pod', { spec: { nodeName: 'n1' }, status: ready }, { deletionTimestamp: '2026-11-25T12:00:00Z' }))
  assert.deepEqual([pod.node, pod.ip, pod.isReady, pod.isDeleting], ['n1', '10.0.0.1', true, true])
})

test('a pod in trouble says why: it fits nowhere, its image is not there, its container ends', () => {
  const unscheduled = { conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: '0/3 nodes' }] }
  assert.equal(troubleOf(unscheduled), 'it fits on no node: 0/3 nodes')
  assert.equal(troubleOf(waiting('ImagePullBackOff', { message: 'not found' })), 'ImagePullBackOff: not found')
  assert.equal(
    troubleOf(waiting('CrashLoopBackOff', {}, { terminated: { exitCode: 137 } })),
    'CrashLoopBackOff; it last ended with exit code 137',
  )
  const terminated = { exitCode: 2, message: '{"level":30}\nthermocline node: unsupported_version: the volume has format 2\n' }
  assert.equal(
    troubleOf(waiting('CrashLoopBackOff', {}, { terminated })),
    'CrashLoopBackOff; it last ended with exit code 2: thermocline node: unsupported_version: the volume has format 2',
  )
})

test('a pod that merely starts is in no trouble', () => {
  assert.equal(troubleOf(waiting('ContainerCreating')), undefined)
  assert.equal(troubleOf({ containerStatuses: [{ state: { running: {} } }] }), undefined)
})

const claim = (status: object, spec: object = {}): KubeObject =>
  object('PersistentVolumeClaim', { spec: { resources: { requests: { storage: '10Gi' } }, ...spec }, status })
const volumeOn = (...terms: string[][]): KubeObject =>
  object('PersistentVolume', {
    spec: {
      nodeAffinity: {
        required: {
          nodeSelectorTerms: terms.map((values) => ({ matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values }] })),
        },
      },
    },
  })

test('a claim has its sizes, and the nodes that its volume is tied to, by their names', () => {
  const bound = claim({ phase: 'Bound', capacity: { storage: '5Gi' } })
  const view = viewClaim(bound, volumeOn(['host-1'], ['host-2']), true, new Map([['host-1', 'n1']]))
  assert.deepEqual([view.requestedBytes, view.capacityBytes, view.isBound, view.isLost], [10 * GIB, 5 * GIB, true, false])
  assert.deepEqual(view.pinnedTo, ['n1', 'host-2'])
})

test('a volume that can be used anywhere, or whose ties are not understood, is tied to nothing', () => {
  const bound = claim({ phase: 'Bound' })
  assert.equal(viewClaim(bound, object('PersistentVolume'), true, new Map()).pinnedTo, undefined)
  const byZone = {
    nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'zone', operator: 'In', values: ['z'] }] }] } },
  }
  assert.equal(viewClaim(bound, object('PersistentVolume', { spec: byZone }), true, new Map()).pinnedTo, undefined)
})

test('a volume is lost if Kubernetes says so, or if it is not there and the operator would see it', () => {
  const lost = (status: object, volume: KubeObject | undefined, canSee: boolean): boolean =>
    viewClaim(claim(status), volume, canSee, new Map()).isLost
  assert.equal(lost({ phase: 'Lost' }, undefined, false), true)
  assert.equal(lost({ phase: 'Bound' }, undefined, true), true)
  assert.equal(lost({ phase: 'Bound' }, undefined, false), false)
  assert.equal(lost({ phase: 'Pending' }, undefined, true), false)
})

test('a node: ready, cordoned, and in its zone', () => {
  const node = object(
    'Node',
    { spec: { unschedulable: true }, status: { conditions: [{ type: 'Ready', status: 'Unknown' }] } },
    { labels: { zone: 'z1' } },
  )
  assert.deepEqual(viewNode(node, 'zone'), { isReady: false, isUnschedulable: true, zone: 'z1' })
})

test('a StatefulSet has the size of its claims', () => {
  const set = object('StatefulSet', {
    spec: {
      volumeClaimTemplates: [
        { metadata: { name: 'other' }, spec: { resources: { requests: { storage: '1Gi' } } } },
        { metadata: { name: 'data' }, spec: { resources: { requests: { storage: '10Gi' } } } },
      ],
    },
  })
  assert.equal(viewStatefulSet(set).claimBytes, 10 * GIB)
})
