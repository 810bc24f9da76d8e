import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CLUSTER_ID, clusterWith } from '../plan/observed.fixture.ts'
import { podTemplate } from './pod.ts'

interface Container {
  readonly name: string
  readonly image: string
  readonly args: readonly string[]
  readonly ports: readonly { readonly hostPort?: number }[]
  readonly securityContext: Readonly<Record<string, unknown>>
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[]
}

interface Volume {
  readonly name: string
  readonly [kind: string]: unknown
}

interface PodSpec {
  readonly [field: string]: unknown
  readonly containers: readonly Container[]
  readonly volumes: readonly Volume[]
  readonly securityContext: Readonly<Record<string, unknown>>
}

const specOf = (spec: Record<string, unknown> = {}): PodSpec => podTemplate(clusterWith(spec), 2).spec as PodSpec
const containerOf = (spec: Record<string, unknown> = {}): Container => specOf(spec).containers[0] as Container

/** Kinds of volumes that the profile `restricted` allows. */
const ALLOWED_VOLUMES = new Set([
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'persistentVolumeClaim',
  'projected',
  'secret',
])

test('a pod passes the profile `restricted` of Pod Security', () => {
  const { securityContext, containers, volumes, ...rest } = specOf()
  assert.equal(securityContext.runAsNonRoot, true)
  assert.ok(Number(securityContext.runAsUser) > 0)
  assert.deepEqual(securityContext.seccompProfile, { type: 'RuntimeDefault' })
  for (const field of ['hostNetwork', 'hostPID', 'hostIPC']) assert.equal(rest[field], undefined)
  for (const { securityContext: own, ports } of containers) {
    assert.equal(own.allowPrivilegeEscalation, false)
    assert.deepEqual(own.capabilities, { drop: ['ALL'] })
    assert.notEqual(own.privileged, true)
    assert.ok(ports.every(({ hostPort }) => hostPort === undefined))
  }
  for (const { name: _, ...kinds } of volumes) for (const kind of Object.keys(kinds)) assert.ok(ALLOWED_VOLUMES.has(kind), kind)
})

test('its root is read-only, and it has no token of Kubernetes', () => {
  const spec = specOf()
  assert.equal(containerOf().securityContext.readOnlyRootFilesystem, true)
  assert.deepEqual([spec.automountServiceAccountToken, spec.enableServiceLinks], [false, false])
  assert.equal(
    spec.volumes.some(({ projected }) => projected !== undefined),
    false,
  )
})

test('a node is told who it is, and what it may use', () => {
  const { args, image } = containerOf({ image: 'thermocline:7', resources: { limits: { memory: '1Gi' } } })
  assert.equal(image, 'thermocline:7')
  for (const wanted of [
    '--group=2',
    '--replica=hostname',
    `--cluster=${CLUSTER_ID}`,
    `--memory=${Math.floor(1024 ** 3 * 0.9)}`,
    `--log-bytes=${256 * 1024 ** 2}`,
  ])
    assert.ok(args.includes(wanted), wanted)
  assert.equal(
    containerOf({ resources: {} }).args.some((arg) => arg.startsWith('--memory')),
    false,
  )
})

test('every mount has its volume; the data’s comes from the StatefulSet', () => {
  const names = new Set([...specOf().volumes.map(({ name }) => name), 'data'])
  for (const { name } of containerOf().volumeMounts) assert.ok(names.has(name), name)
})

test('zones that are required keep a pod waiting rather than share one', () => {
  const spreadOf = (policy: string): unknown[] => {
    const { topologySpreadConstraints, affinity } = specOf({ zones: { policy } })
    const [{ whenUnsatisfiable }] = topologySpreadConstraints as [{ whenUnsatisfiable: string }]
    return [whenUnsatisfiable, Object.keys((affinity as { podAntiAffinity: object }).podAntiAffinity)]
  }
  assert.deepEqual(spreadOf('Required'), ['DoNotSchedule', ['requiredDuringSchedulingIgnoredDuringExecution']])
  assert.deepEqual(spreadOf('Preferred'), ['ScheduleAnyway', ['preferredDuringSchedulingIgnoredDuringExecution']])
})

test('the user’s part is laid over it', () => {
  const spec = specOf({ podTemplate: { spec: { nodeSelector: { disk: 'fast' }, containers: [{ name: 'node', image: 'mine:1' }] } } })
  assert.deepEqual([spec.nodeSelector, spec.containers.length, spec.containers[0]?.image], [{ disk: 'fast' }, 1, 'mine:1'])
})
