import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mergePodTemplate } from './overlay.ts'

const base = {
  metadata: { labels: { app: 'node' }, annotations: { a: '1' } },
  spec: {
    containers: [{ name: 'node', image: 'i:1', env: [{ name: 'A', value: '1' }], args: ['x', 'y'] }],
    volumes: [{ name: 'tmp', emptyDir: {} }],
    terminationGracePeriodSeconds: 30,
    securityContext: { runAsNonRoot: true, fsGroup: 1 },
  },
}

test('named things merge by name, new ones are added after them', () => {
  const { spec } = mergePodTemplate(base, {
    spec: {
      containers: [
        { name: 'sidecar', image: 's:1' },
        {
          name: 'node',
          env: [
            { name: 'B', value: '2' },
            { name: 'A', value: '3' },
          ],
        },
      ],
      volumes: [{ name: 'more', emptyDir: {} }],
    },
  })
  assert.deepEqual(spec.containers, [
    {
      name: 'node',
      image: 'i:1',
      env: [
        { name: 'A', value: '3' },
        { name: 'B', value: '2' },
      ],
      args: ['x', 'y'],
    },
    { name: 'sidecar', image: 's:1' },
  ])
  assert.deepEqual(spec.volumes, [
    { name: 'tmp', emptyDir: {} },
    { name: 'more', emptyDir: {} },
  ])
})

test('objects merge, other lists and values are replaced, null removes', () => {
  const { spec } = mergePodTemplate(base, {
    spec: {
      containers: [{ name: 'node', args: ['z'] }],
      securityContext: { fsGroup: 2 },
      terminationGracePeriodSeconds: null,
      nodeSelector: { disk: 'fast' },
    },
  })
  assert.deepEqual((spec.containers as { args: string[] }[])[0]?.args, ['z'])
  assert.deepEqual(spec.securityContext, { runAsNonRoot: true, fsGroup: 2 })
  assert.equal('terminationGracePeriodSeconds' in spec, false)
  assert.deepEqual(spec.nodeSelector, { disk: 'fast' })
})

test('labels are added, but ours stay: selectors rely on them; annotations are the user’s to set', () => {
  const { metadata } = mergePodTemplate(base, { metadata: { labels: { app: 'other', team: 't' }, annotations: { a: '2', b: '3' } } })
  assert.deepEqual(metadata, { labels: { app: 'node', team: 't' }, annotations: { a: '2', b: '3' } })
})

test('what is laid over is not changed', () => {
  const before = JSON.stringify(base)
  mergePodTemplate(base, { spec: { containers: [{ name: 'node', env: [{ name: 'A', value: '9' }] }] } })
  assert.equal(JSON.stringify(base), before)
})
