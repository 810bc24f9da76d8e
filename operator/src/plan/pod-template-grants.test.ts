import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { GRANT_NAMES, type PodTemplateGrant, refusePodTemplate } from './pod-template-grants.ts'

const OWN = new Set(['orders-admin'])
const refuse = (spec: Record<string, unknown>, granted: readonly PodTemplateGrant[] = []) =>
  refusePodTemplate({ spec }, new Set(granted), OWN)
const node = (fields: Record<string, unknown>) => ({ containers: [{ name: 'node', ...fields }] })
const sidecar = (fields: Record<string, unknown>) => ({ containers: [{ name: 'shipper', image: 'shipper:1', ...fields }] })
const volume = (fields: Record<string, unknown>) => ({ volumes: [{ name: 'v', ...fields }] })

/** Field → what needs the grant, and where the message says it is. */
const CASES: readonly (readonly [grant: PodTemplateGrant, path: string, spec: Record<string, unknown>])[] = [
  ['serviceAccount', 'serviceAccountName', { serviceAccountName: 'admin' }],
  ['serviceAccount', 'serviceAccount', { serviceAccount: 'admin' }],
  ['serviceAccount', 'automountServiceAccountToken', { automountServiceAccountToken: true }],
  [
    'serviceAccount',
    'volumes[0].projected.sources[1].serviceAccountToken',
    volume({ projected: { sources: [{ configMap: { name: 'c' } }, { serviceAccountToken: { path: 't' } }] } }),
  ],
  ['volumes', 'volumes[0].hostPath', volume({ hostPath: { path: '/' } })],
  ['volumes', 'volumes[0].csi', volume({ csi: { driver: 'd', nodePublishSecretRef: { name: 's' } } })],
  ['volumes', 'volumes[0].persistentVolumeClaim', volume({ persistentVolumeClaim: { claimName: 'data-other-g0-0' } })],
  ['volumes', 'volumes[0].emptyDir2', volume({ emptyDir2: {} })],
  ['volumes', 'volumes[0].projected.sources[0].clusterTrustBundle', volume({ projected: { sources: [{ clusterTrustBundle: {} }] } })],
  ['privileges', 'containers[0].securityContext.privileged', node({ securityContext: { privileged: true } })],
  [
    'privileges',
    'containers[0].securityContext.capabilities',
    node({ securityContext: { capabilities: { add: ['SYS_ADMIN'], drop: ['ALL'] } } }),
  ],
  ['privileges', 'containers[0].securityContext.capabilities', node({ securityContext: { capabilities: { drop: [] } } })],
  ['privileges', 'containers[0].securityContext.capabilities', node({ securityContext: { capabilities: null } })],
  [
    'privileges',
    'containers[0].securityContext.allowPrivilegeEscalation',
    sidecar({ securityContext: { allowPrivilegeEscalation: true } }),
  ],
  ['privileges', 'containers[0].securityContext', node({ securityContext: null })],
  ['privileges', 'containers[0].securityContext.procMount', node({ securityContext: { procMount: 'Unmasked' } })],
  ['privileges', 'containers[0].securityContext.runAsUser', sidecar({ securityContext: { runAsUser: 0 } })],
  ['privileges', 'containers[0].securityContext.constructor', sidecar({ securityContext: { constructor: true } })],
  ['privileges', 'securityContext.runAsNonRoot', { securityContext: { runAsNonRoot: false } }],
  ['privileges', 'securityContext.seccompProfile', { securityContext: { seccompProfile: { type: 'Unconfined' } } }],
  ['privileges', 'securityContext.sysctls', { securityContext: { sysctls: [] } }],
  ['privileges', 'securityContext', { securityContext: null }],
  [
    'privileges',
    'initContainers[0].securityContext.privileged',
    { initContainers: [{ name: 'i', securityContext: { privileged: true } }] },
  ],
  ['hostNamespaces', 'hostNetwork', { hostNetwork: true }],
  ['hostNamespaces', 'hostPID', { hostPID: true }],
  ['hostNamespaces', 'hostIPC', { hostIPC: true }],
  ['hostNamespaces', 'containers[0].ports[0].hostPort', sidecar({ ports: [{ containerPort: 80, hostPort: 80 }] })],
  ['secrets', 'volumes[0].secret.secretName', volume({ secret: { secretName: 'billing' } })],
  ['secrets', 'volumes[0].secret.secretName', volume({ secret: {} })],
  ['secrets', 'volumes[0].projected.sources[0].secret.name', volume({ projected: { sources: [{ secret: { name: 'billing' } }] } })],
  ['secrets', 'containers[0].envFrom[0].secretRef.name', sidecar({ envFrom: [{ secretRef: { name: 'billing' } }] })],
  [
    'secrets',
    'initContainers[0].env[0].valueFrom.secretKeyRef.name',
    {
      initContainers: [{ name: 'i', env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 'billing', key: 'k' } } }] }],
    },
  ],
  ['commands', 'containers[0].command', node({ command: ['sh'] })],
  ['commands', 'containers[0].args', node({ args: [] })],
  ['commands', 'containers[0].args', node({ args: null })],
  ['commands', 'containers[0].lifecycle', node({ lifecycle: { postStart: { exec: { command: ['sh'] } } } })],
  ['commands', 'containers[0].livenessProbe.exec', node({ livenessProbe: { exec: { command: ['sh'] } } })],
  ['commands', 'containers[0].env[0].name', node({ env: [{ name: 'NODE_OPTIONS', value: '--require=/x' }] })],
  ['commands', 'containers[0].envFrom[0]', node({ envFrom: [{ configMapRef: { name: 'c' } }] })],
]

test('what gives rights, secrets or a way out of the pod is refused, with the field and what grants it', () => {
  for (const [grant, path, spec] of CASES) {
    const refusal = refuse(spec)
    assert.equal(refusal?.reason, 'PodTemplateNotGranted', path)
    assert.ok(refusal.message.startsWith(`spec.podTemplate.spec.${path}: `), refusal.message)
    assert.ok(refusal.message.includes(`needs the grant ${grant} (`), refusal.message)
    assert.ok(refusal.message.includes('podTemplate.grants'))
    assert.deepEqual(
      refuse(
        spec,
        GRANT_NAMES.filter((name) => name !== grant),
      ),
      refusal,
    )
  }
})

test('a grant lets its own group through, and each group has a case', () => {
  for (const [grant, path, spec] of CASES) assert.equal(refuse(spec, [grant]), undefined, path)
  assert.deepEqual(new Set(CASES.map(([grant]) => grant)), new Set(GRANT_NAMES))
})

test('profiles that older servers read from annotations need the grant; other annotations do not', () => {
  const refuseAnnotation = (name: string) => refusePodTemplate({ metadata: { annotations: { [name]: 'unconfined' } } }, new Set(), OWN)
  for (const name of ['container.apparmor.security.beta.kubernetes.io/node', 'seccomp.security.alpha.kubernetes.io/pod'])
    assert.match(refuseAnnotation(name)?.message ?? '', /^spec\.podTemplate\.metadata\.annotations\..* needs the grant privileges/)
  assert.equal(refuseAnnotation('team'), undefined)
})

test('the chart takes the grants that there are', () => {
  const path = new URL('../../../charts/thermocline/values.schema.json', import.meta.url)
  const schema = JSON.parse(readFileSync(path, 'utf8')) as {
    properties: { podTemplate: { properties: { grants: { items: { enum: string[] } } } } }
  }
  assert.deepEqual(schema.properties.podTemplate.properties.grants.items.enum, GRANT_NAMES)
})

test('the rest of a pod needs no grant', () => {
  const spec = {
    hostNetwork: false,
    hostPID: null,
    priorityClassName: 'high',
    nodeSelector: { disk: 'fast' },
    tolerations: [{ operator: 'Exists' }],
    imagePullSecrets: [{ name: 'registry' }],
    securityContext: { fsGroup: 2, supplementalGroups: [3], runAsNonRoot: true },
    volumes: [
      { name: 'a', emptyDir: {} },
      { name: 'b', configMap: { name: 'c' } },
      { name: 'own', secret: { secretName: 'orders-admin' } },
      { name: 'p', projected: { sources: [{ secret: { name: 'orders-admin' } }, { downwardAPI: {} }] } },
    ],
    containers: [
      {
        name: 'node',
        env: [{ name: 'TZ', value: 'UTC' }],
        livenessProbe: { periodSeconds: 20 },
        securityContext: { readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] }, privileged: false },
      },
      { name: 'shipper', image: 'shipper:1', command: ['ship'], args: ['-f'], envFrom: [{ configMapRef: { name: 'c' } }] },
    ],
  }
  assert.equal(refuse(spec), undefined)
  assert.equal(refusePodTemplate(undefined, new Set(), OWN), undefined)
  assert.equal(refusePodTemplate({}, new Set(), OWN), undefined)
})

test('what cannot be looked through is refused, whatever is granted', () => {
  for (const [path, spec] of [
    ['containers', { containers: 'node' }],
    ['containers', { containers: [['node']] }],
    ['volumes', { volumes: { hostPath: {} } }],
    ['containers[0].env', node({ env: { NODE_OPTIONS: 'x' } })],
    ['containers[0].envFrom', node({ envFrom: ['x'] })],
    ['volumes[0].projected.sources', volume({ projected: { sources: { secret: {} } } })],
  ] as const) {
    assert.deepEqual(refuse(spec as Record<string, unknown>, GRANT_NAMES), {
      reason: 'Invalid',
      message: `spec.podTemplate.spec.${path}: expected a list of objects`,
    })
  }
})
