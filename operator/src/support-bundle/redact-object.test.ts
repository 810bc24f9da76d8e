import assert from 'node:assert/strict'
import { test } from 'node:test'
import { redactObject } from './redact-object.ts'
import { LEFT_OUT } from './redact-text.ts'

const PLANTED = 'planted-value'

test('nothing planted is left in any object', () => {
  const applied = JSON.stringify({ apiVersion: 'v1', kind: 'Secret', stringData: { plain: PLANTED } })
  const container = {
    name: 'node',
    args: ['--token', PLANTED, '--http', '0.0.0.0:7401'],
    env: [
      { name: 'DSN', value: PLANTED },
      { name: 'THERMOCLINE_TOKEN', value: PLANTED },
      { name: 'THERMOCLINE_HTTP', value: '0.0.0.0:7401' },
      { name: 'FROM', valueFrom: { secretKeyRef: { name: 'orders-admin', key: 'token' } } },
    ],
    readinessProbe: { httpGet: { httpHeaders: [{ name: 'X-Any', value: PLANTED }] } },
  }
  const objects = [
    { kind: 'Secret', apiVersion: 'v1', metadata: { name: 's', namespace: 'n', annotations: { a: PLANTED } }, data: { k: PLANTED } },
    {
      kind: 'StatefulSet',
      metadata: {
        name: 'orders-g0',
        managedFields: [{ fieldsV1: { 'f:spec': PLANTED } }],
        annotations: {
          'kubectl.kubernetes.io/last-applied-configuration': applied,
          'other.tool/copy': applied,
          'example.com/password': PLANTED,
          'thermocline.dev/applied-hash': 'abc',
        },
      },
      spec: { template: { spec: { containers: [container] } }, csi: { volumeAttributes: { secretAccessKey: PLANTED } } },
    },
    { kind: 'PaxosGroup', spec: { podTemplate: { spec: { containers: [container] } } } },
    { kind: 'ConfigMap', data: { id: 'x' }, binaryData: { blob: PLANTED } },
    { kind: 'List', items: [{ kind: 'Secret', stringData: { k: PLANTED } }] },
    { kind: 'Node', status: { nodeInfo: { kernelVersion: '6' }, images: [{ names: [PLANTED] }] } },
  ]
  assert.doesNotMatch(JSON.stringify(objects.map(redactObject)), new RegExp(PLANTED))
  const set = redactObject(objects[1]) as { metadata: { annotations: object }; spec: { template: { spec: { containers: unknown[] } } } }
  assert.deepEqual(set.metadata.annotations, {
    'kubectl.kubernetes.io/last-applied-configuration': LEFT_OUT,
    'other.tool/copy': LEFT_OUT,
    'example.com/password': LEFT_OUT,
    'thermocline.dev/applied-hash': 'abc',
  })
  assert.deepEqual(set.spec.template.spec.containers[0], {
    name: 'node',
    args: ['--token', LEFT_OUT, '--http', '0.0.0.0:7401'],
    env: [
      { name: 'DSN', value: LEFT_OUT },
      { name: 'THERMOCLINE_TOKEN', value: LEFT_OUT },
      { name: 'THERMOCLINE_HTTP', value: '0.0.0.0:7401' },
      { name: 'FROM', valueFrom: { secretKeyRef: { name: 'orders-admin', key: 'token' } } },
    ],
    readinessProbe: { httpGet: { httpHeaders: [{ name: 'X-Any', value: LEFT_OUT }] } },
  })
})

test('an object without secrets stays as it is', () => {
  const pod = {
    kind: 'Pod',
    metadata: { name: 'orders-g0-0', annotations: { 'thermocline.dev/template-hash': 'x' } },
    spec: {
      automountServiceAccountToken: false,
      volumes: [{ name: 'token', secret: { secretName: 'orders-admin', defaultMode: 288 } }],
      tolerations: [{ key: 'a', operator: 'Exists' }],
    },
    status: { phase: 'Running', containerStatuses: [{ name: 'node', restartCount: 0 }] },
  }
  assert.deepEqual(redactObject(pod), pod)
})
