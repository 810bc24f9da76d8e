/** The chart: linted, rendered with several value files for several servers, and taken by a real API server. */
import assert from 'node:assert/strict'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { runProgram, tryProgram } from '../program.ts'
import { makeTemporaryFolder } from '../temporary-folder.ts'
import { CHART, parseManifests, podOf, type Rendered, render, renderText, securityFindings, VALUE_FILES, withValues } from './chart.ts'
import { grantedRights } from './granted-verbs.ts'
import { kubeTools, Lab, skipWithoutLab } from './lab.ts'

const SERVERS = ['1.20.2', '1.24.17', '1.25.0', '1.36.0'] as const
/** What a server with the Prometheus operator serves. */
const MONITORING = ['--api-versions', 'monitoring.coreos.com/v1/PodMonitor', '--api-versions', 'monitoring.coreos.com/v1/PrometheusRule']
const NAMESPACE = 'thermocline'
const read = (path: string): string => readFileSync(fileURLToPath(new URL(`../../../${path}`, import.meta.url)), 'utf8')
const named = (objects: readonly Rendered[], kind: string): Rendered[] => objects.filter((one) => one.kind === kind)
const hasRules = (crd: Rendered): boolean => JSON.stringify(crd).includes('x-kubernetes-validations')

test('helm lint finds nothing, with any value file', async () => {
  const helm = join(await kubeTools(), 'helm')
  for (const values of Object.keys(VALUE_FILES)) await runProgram(helm, ['lint', '--strict', CHART, ...withValues(values)])
})

test('a value that is not known, or of the wrong type, is refused', async () => {
  const helm = join(await kubeTools(), 'helm')
  for (const wrong of ['replica=2', 'replicas=two', 'rbac.scope=world', 'image.digest=sha256:abc', 'logLevel=loud']) {
    const { code, stderr } = await tryProgram(helm, ['template', 'x', CHART, '--set', wrong])
    assert.notEqual(code, 0, wrong)
    assert.match(stderr, new RegExp((wrong.split('=')[0] as string).split('.').at(-1) as string), wrong)
  }
})

for (const values of Object.keys(VALUE_FILES)) {
  test(`rendered with ${values}: pods keep to the profile restricted, ports name their protocol, rights are named`, async () => {
    for (const server of SERVERS) {
      const objects = await render(values, ['--kube-version', server, ...MONITORING])
      const pods = objects.flatMap((one) => podOf(one) ?? [])
      assert.equal(pods.length, 2, 'the operator and the test')
      for (const pod of pods) assert.deepEqual(securityFindings(pod), [])
      // Server-side apply on old servers refuses ports without.
      for (const port of portsOf(objects))
        assert.ok(port.protocol === 'TCP' || (port.protocol === 'UDP' && port.port === 53), JSON.stringify(port))
      const rights = grantedRights(objects)
      for (const verb of ['get', 'list', 'watch', 'update', 'delete'] as const) assert.ok(!rights.has(`${verb} secrets`), `${verb} secrets`)
    }
  })
}

function* portsOf(value: unknown): Generator<Record<string, unknown>> {
  if (Array.isArray(value)) for (const one of value) yield* portsOf(one)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return
  for (const [key, inner] of Object.entries(value)) {
    if (key === 'ports' && Array.isArray(inner)) yield* inner as Record<string, unknown>[]
    else if (key !== 'openAPIV3Schema') yield* portsOf(inner)
  }
}

test('what a server does not know it is not given: rules in CEL, policy/v1, the Prometheus operator’s objects', async () => {
  for (const server of SERVERS) {
    const objects = await render('many-namespaces', ['--kube-version', server])
    const minor = Number(server.split('.')[1])
    const crds = named(objects, 'CustomResourceDefinition')
    assert.deepEqual(
      crds.map(({ metadata }) => metadata.name),
      ['memorygroups.thermocline.dev', 'paxosgroups.thermocline.dev'],
    )
    for (const crd of crds) {
      assert.equal(hasRules(crd), minor >= 25, server)
      assert.equal(crd.metadata.annotations?.['helm.sh/resource-policy'], 'keep')
    }
    assert.deepEqual(
      named(objects, 'PodDisruptionBudget').map(({ apiVersion }) => apiVersion),
      [minor >= 21 ? 'policy/v1' : 'policy/v1beta1'],
    )
    assert.deepEqual([named(objects, 'PodMonitor'), named(objects, 'PrometheusRule')], [[], []])
  }
  const withMonitoring = await render('many-namespaces', MONITORING)
  assert.equal(named(withMonitoring, 'PodMonitor').length, 2)
  const rules = JSON.stringify(named(withMonitoring, 'PrometheusRule'))
  assert.match(rules, /"https:\/\/docs\.example\.org\/runbooks\/ThermoclineNoMajority\.md"/)
  assert.match(rules, /\{\{ \$labels\.pod \}\}/)
  const dashboards = named(withMonitoring, 'ConfigMap').flatMap(({ data = {} }) => Object.values(data))
  assert.deepEqual(
    dashboards.map((text) => (JSON.parse(text) as { uid: string }).uid),
    ['thermocline-memory', 'thermocline-operator', 'thermocline-storage'],
  )
})

test('policies and the monitor select the pods of both tiers, by the labels that these have', async () => {
  const tier = (component: string, more: object = {}): object => ({
    matchLabels: { 'app.kubernetes.io/name': 'thermocline', 'app.kubernetes.io/component': component, ...more },
  })
  const selectorsOf = async (...sets: string[]): Promise<unknown[]> => {
    const more = sets.flatMap((set) => ['--set', set])
    const policies = named(await render('many-namespaces', [...more, ...MONITORING]), 'NetworkPolicy')
    return policies.filter(({ metadata }) => metadata.namespace === 'shop').map(({ spec }) => spec?.podSelector)
  }
  assert.deepEqual(await selectorsOf(), [tier('storage'), tier('memory')])
  assert.deepEqual(await selectorsOf('networkPolicy.instances[0].namespace=shop,networkPolicy.instances[0].name=orders'), [
    tier('storage', { 'app.kubernetes.io/instance': 'orders' }),
    tier('memory', { 'thermocline.dev/paxosgroup': 'orders' }),
  ])
  const [, nodes] = named(await render('many-namespaces', MONITORING), 'PodMonitor')
  assert.deepEqual(nodes?.spec?.selector, {
    matchExpressions: [
      { key: 'app.kubernetes.io/name', operator: 'In', values: ['thermocline'] },
      { key: 'app.kubernetes.io/component', operator: 'In', values: ['storage', 'memory'] },
    ],
  })
})

interface Way {
  readonly ports: readonly { readonly port: number; readonly protocol: string }[]
  readonly from?: readonly unknown[]
  readonly to?: readonly unknown[]
}

interface Policy {
  readonly policyTypes: readonly string[]
  readonly ingress: readonly Way[]
  readonly egress: readonly Way[]
}

const policiesOf = async (values: string, more: readonly string[] = []): Promise<Record<string, Policy>> =>
  Object.fromEntries(
    named(await render(values, more), 'NetworkPolicy').map(({ metadata, spec }) => [
      `${metadata.namespace}/${metadata.name}`,
      spec as unknown as Policy,
    ]),
  )

/** The rules for one port, as JSON: they name who is at its other end. */
const wayTo = (ways: readonly Way[], port: number): string =>
  JSON.stringify(ways.filter(({ ports }) => ports.some((one) => one.port === port)))

test('policies are made by default, for both directions: nodes reach their peers and DNS, the operator the API server and nodes', async () => {
  const policies = await policiesOf('defaults')
  assert.deepEqual(Object.keys(policies), [
    'thermocline/thermocline-operator',
    'thermocline/thermocline-nodes',
    'thermocline/thermocline-nodes-memory',
  ])
  const [operator, storage, memory] = Object.values(policies) as [Policy, Policy, Policy]
  const portsTo = ({ egress }: Policy) => egress.map(({ ports }) => ports.map(({ port, protocol }) => `${port}/${protocol}`).join(' '))
  assert.deepEqual(portsTo(operator), ['443/TCP 6443/TCP', '53/UDP 53/TCP', '7401/TCP'])
  assert.deepEqual(portsTo(storage), ['53/UDP 53/TCP', '7400/TCP'])
  assert.deepEqual(portsTo(memory), ['53/UDP 53/TCP', '7400/TCP', '7401/TCP'])
  for (const { policyTypes, egress } of [operator, storage, memory]) {
    assert.deepEqual(policyTypes, ['Ingress', 'Egress'])
    assert.match(wayTo(egress, 53), /kube-system.*169\.254\.20\.10\/32/)
    // But for the API server, whose address nobody knows, each way out says where to.
    for (const { ports, to } of egress) assert.ok(ports.some(({ port }) => port === 6443) || (to ?? []).length > 0)
  }
  assert.match(wayTo(operator.egress, 7401), /"kubernetes\.io\/metadata\.name":"thermocline".*\["storage","memory"\]/)
  assert.match(wayTo(storage.egress, 7400), /"app\.kubernetes\.io\/component":"storage"/)
  assert.doesNotMatch(wayTo(storage.egress, 7400), /memory/)
  assert.match(wayTo(memory.egress, 7400), /"app\.kubernetes\.io\/component":"storage"/)
  assert.match(wayTo(memory.egress, 7401), /"app\.kubernetes\.io\/component":"memory"/)
  assert.match(wayTo(storage.ingress, 7400), /storage.*memory.*thermocline\.dev\/client/)
  assert.match(wayTo(operator.ingress, 8080), /"app\.kubernetes\.io\/component":"test"/)
})

test('who reaches nodes, and where nodes resolve names, can be said; everywhere is everywhere', async () => {
  const set = [
    'networkPolicy.clients[0].namespaceSelector.matchLabels.team=web',
    'networkPolicy.httpClients[0].ipBlock.cidr=10.0.0.1/32',
    'networkPolicy.apiServer.to[0].ipBlock.cidr=10.0.0.2/32',
    'networkPolicy.dns.to[0].ipBlock.cidr=10.0.0.3/32',
    'networkPolicy.dns.ports[0]=5353',
  ]
  const [operator, storage, memory] = Object.values(
    await policiesOf(
      'defaults',
      set.flatMap((one) => ['--set', one]),
    ),
  ) as [Policy, Policy, Policy]
  for (const nodes of [storage, memory]) {
    assert.match(wayTo(nodes.ingress, 7400), /"team":"web"/)
    assert.match(wayTo(nodes.ingress, 7401), /10\.0\.0\.1\/32/)
    assert.match(wayTo(nodes.egress, 5353), /10\.0\.0\.3\/32/)
    assert.equal(wayTo(nodes.egress, 53), '[]')
  }
  assert.match(wayTo(operator.egress, 6443), /10\.0\.0\.2\/32/)
  const [everywhere] = Object.values(await policiesOf('cluster-scope'))
  assert.match(wayTo((everywhere as Policy).egress, 7401), /"namespaceSelector":\{\}/)
  const [several] = Object.values(await policiesOf('many-namespaces'))
  assert.match(wayTo((several as Policy).egress, 7401), /"shop".*"billing"/)
})

test('where namespaces have no names as labels, policies are made on request alone; and none if they are off', async () => {
  const old = ['--kube-version', '1.20.2']
  assert.deepEqual(await policiesOf('defaults', old), {})
  assert.equal(Object.keys(await policiesOf('defaults', [...old, '--set', 'networkPolicy.force=true'])).length, 3)
  assert.deepEqual(await policiesOf('defaults', ['--set', 'networkPolicy.enabled=false']), {})
})

test('alerts as they are rendered are rules that Prometheus takes', async () => {
  const tools = (await runProgram(fileURLToPath(new URL('../../../scripts/prometheus-tools.sh', import.meta.url)), [])).trim()
  const folder = makeTemporaryFolder()
  const files = named(await render('many-namespaces', MONITORING), 'PrometheusRule').map(({ metadata, spec }) => {
    const file = join(folder, `${metadata.name}.json`)
    writeFileSync(file, JSON.stringify(spec))
    return file
  })
  assert.equal(files.length, 3)
  await runProgram(join(tools, 'promtool'), ['check', 'rules', ...files])
})

test('the operator is told what its README lists, and acts where it has rights', async () => {
  const environment = new Set([...read('operator/README.md').matchAll(/`(THERMOCLINE_\w+)`/g)].map(([, name]) => name))
  const objects = await render('many-namespaces')
  const [container] = podOf(named(objects, 'Deployment')[0] as Rendered)?.containers ?? []
  const given = new Map(container?.env?.map(({ name, value }) => [name, value]))
  for (const name of environment) assert.ok(given.has(name as string), `${name} is not set`)
  assert.equal(given.get('THERMOCLINE_NAMESPACES'), 'shop,billing')
  assert.match(given.get('THERMOCLINE_NODE_IMAGE') ?? '', /^registry\.example\.org\/thermocline@sha256:0123/)
  const roles = named(objects, 'Role').filter(({ metadata }) => !metadata.name.endsWith('-lease'))
  assert.deepEqual(new Set(roles.map(({ metadata }) => metadata.namespace)), new Set(['billing', 'shop']))

  const wide = await render('cluster-scope')
  const [everywhere] = podOf(named(wide, 'Deployment')[0] as Rendered)?.containers ?? []
  assert.equal(everywhere?.env?.find(({ name }) => name === 'THERMOCLINE_NAMESPACES')?.value, '')
  assert.deepEqual(
    named(wide, 'ClusterRole').map(({ metadata }) => metadata.name),
    ['thermocline-thermocline-operator'],
  )
})

describe('a real API server', { skip: skipWithoutLab(), timeout: 240_000 }, () => {
  let lab: Lab
  before(async () => {
    lab = await Lab.open()
    await lab.up('control-plane-only')
    for (const name of [NAMESPACE, 'shop', 'billing']) await lab.kubectl(['create', 'namespace', name])
  })
  after(() => lab.down())

  test('takes everything that is rendered', async () => {
    for (const values of Object.keys(VALUE_FILES)) {
      const text = await renderText(values, ['--kube-version', '1.20.2'])
      const taken = await lab.kubectl(['apply', '--server-side', '--dry-run=server', '--filename', '-'], { stdin: text })
      assert.equal(taken.trim().split('\n').length, parseManifests(text).length, taken)
    }
  })

  test('install, upgrade of the definition, uninstall: the key and the definition stay', async () => {
    const place = ['--namespace', NAMESPACE]
    const older = join(makeTemporaryFolder(), 'thermocline')
    cpSync(CHART, older, { recursive: true })
    const definition = join(older, 'files/crds/without-cel/paxosgroups.thermocline.dev.yaml')
    const text = readFileSync(definition, 'utf8')
    writeFileSync(definition, text.replaceAll('replaceAfter:', 'replacedAfter:'))
    const key = async () =>
      (await lab.kubectlJson<Rendered>(['get', 'secret', 'thermocline-operator-token-key', ...place])).data?.['token-key']
    const served = async () => JSON.stringify(await lab.kubectlJson(['get', 'crd', 'paxosgroups.thermocline.dev']))

    await lab.helm(['install', 'thermocline', older, ...place])
    const first = await key()
    assert.equal(Buffer.from(first ?? '', 'base64').length, 64)
    assert.match(await served(), /"replacedAfter"/)
    const notes = await lab.helm(['upgrade', 'thermocline', CHART, ...place])
    assert.match(notes, /kind: PaxosGroup/)
    assert.match(notes, /kind: MemoryGroup/)
    assert.match(await served(), /"replaceAfter"/)
    assert.doesNotMatch(await served(), /"replacedAfter"/)
    assert.equal(await key(), first)

    await takesResources(lab)
    await takesMemoryGroups(lab)
    await grantsNoMore(lab)

    await lab.helm(['uninstall', 'thermocline', ...place])
    assert.equal(await key(), first)
    await lab.helm(['install', 'thermocline', CHART, ...place])
    assert.equal(await key(), first)
  })
})

const paxosGroup = (spec: object): string =>
  JSON.stringify({ apiVersion: 'thermocline.dev/v1alpha1', kind: 'PaxosGroup', metadata: { name: 'main', namespace: NAMESPACE }, spec })

/** The definition as this server reads it: defaults, bounds, patterns, a status of every field. */
async function takesResources(lab: Lab): Promise<void> {
  const apply = ['apply', '--server-side', '--filename', '-']
  await lab.kubectl(['wait', '--for=condition=Established', 'crd/paxosgroups.thermocline.dev'])
  await eventually(() => lab.kubectl(apply, { stdin: paxosGroup({}) }))
  const made = await lab.kubectlJson<{ spec: Record<string, unknown> }>(['get', 'pxg', 'main', '--namespace', NAMESPACE])
  const { replicas, storage, resources } = made.spec
  assert.deepEqual(
    [replicas, storage, resources],
    [3, { size: '10Gi', retentionPolicy: 'Retain' }, { requests: { cpu: '250m', memory: '768Mi' }, limits: { memory: '768Mi' } }],
  )
  const wrong: readonly [string, object][] = [
    ['spec.replicas', { replicas: 2 }],
    ['spec.storage.size', { storage: { size: 'much' } }],
    ['spec.maintenance.windows', { maintenance: { windows: [{ start: '25:00', duration: '4h' }] } }],
    ['spec.replaceAfter', { replaceAfter: 'soon' }],
  ]
  for (const [field, spec] of wrong) {
    // kubectl goes by what the server publishes, a moment after it has taken the definition.
    await eventually(async () => {
      const { code, stderr } = await lab.tryKubectl(apply, { stdin: paxosGroup(spec) })
      assert.notEqual(code, 0, field)
      assert.ok(stderr.includes(field), `${field}: ${stderr}`)
    })
  }
  const now = '2026-01-01T00:00:00Z'
  const status = {
    observedGeneration: 1,
    phase: 'Recovering',
    topologyEpoch: 5_000_000_000,
    groups: 1,
    conditions: [
      { type: 'Available', status: 'True', observedGeneration: 1, lastTransitionTime: now, reason: 'Majority', message: 'all well' },
    ],
    groupStatuses: [
      { group: 0, replicas: [{ replica: 0, pod: 'main-g0-0', mode: 'LearnerOnly', lag: 3_000_000_000, reason: 'its volume was lost' }] },
    ],
    jobs: [
      { type: 'Recovery', group: 0, replica: 0, step: 'Learning', startedAt: now, message: 'copies blocks', progress: 5, etaSeconds: 60 },
    ],
  }
  const path = `/apis/thermocline.dev/v1alpha1/namespaces/${NAMESPACE}/paxosgroups/main/status`
  const current = await lab.kubectlJson<object>(['get', 'pxg', 'main', '--namespace', NAMESPACE])
  await lab.kubectl(['replace', '--raw', path, '--filename', '-'], { stdin: JSON.stringify({ ...current, status }) })
  const kept = await lab.kubectlJson<{ status: object }>(['get', 'pxg', 'main', '--namespace', NAMESPACE])
  assert.deepEqual(kept.status, status)
  assert.match(await lab.kubectl(['get', 'pxg', '--namespace', NAMESPACE]), /GROUPS +READY +VOTERS +PHASE/)
}

/** The same of the memory tier, and that an autoscaler finds what to scale. */
async function takesMemoryGroups(lab: Lab): Promise<void> {
  const apply = ['apply', '--server-side', '--filename', '-']
  const manifest = (spec: object): string =>
    JSON.stringify({
      apiVersion: 'thermocline.dev/v1alpha1',
      kind: 'MemoryGroup',
      metadata: { name: 'main', namespace: NAMESPACE },
      spec: { paxosGroupRef: { name: 'main' }, ...spec },
    })
  await lab.kubectl(['wait', '--for=condition=Established', 'crd/memorygroups.thermocline.dev'])
  await eventually(() => lab.kubectl(apply, { stdin: manifest({}) }))
  const made = await lab.kubectlJson<{ spec: Record<string, unknown> }>(['get', 'mmg', 'main', '--namespace', NAMESPACE])
  const { replicas, cache, trafficPercent, warmUp, groups } = made.spec
  assert.deepEqual(
    [replicas, cache, trafficPercent, warmUp, groups],
    [2, { size: '1Gi' }, 100, { duration: '30s', prefetch: true }, undefined],
  )
  const wrong: readonly [string, object][] = [
    ['spec.replicas', { replicas: 17 }],
    ['spec.trafficPercent', { trafficPercent: 101 }],
    ['spec.cache.size', { cache: { size: 'much' } }],
    ['spec.newerThan', { newerThan: 'soon' }],
    ['paxosGroupRef', { paxosGroupRef: {} }],
  ]
  for (const [field, spec] of wrong) {
    await eventually(async () => {
      const { code, stderr } = await lab.tryKubectl(apply, { stdin: manifest(spec) })
      assert.notEqual(code, 0, field)
      assert.ok(stderr.includes(field), `${field}: ${stderr}`)
    })
  }
  await lab.kubectl(['scale', 'memorygroup', 'main', '--replicas', '4', '--namespace', NAMESPACE])
  assert.match(await lab.kubectl(['get', 'mmg', '--namespace', NAMESPACE]), /STORAGE +GROUPS +REPLICAS +READY +TRAFFIC +PHASE/)
  const scaled = await lab.kubectl(['get', 'mmg', 'main', '--namespace', NAMESPACE, '--output', 'jsonpath={.spec.replicas}'])
  assert.equal(scaled, '4')
}

/** Asks the server's authorizer for the operator's service account. */
async function grantsNoMore(lab: Lab): Promise<void> {
  const as = `--as=system:serviceaccount:${NAMESPACE}:thermocline-operator`
  const may = async (verb: string, what: string, namespace: string) => {
    const [, resource = what, subresource] = /^(pods)\/(.+)$/.exec(what) ?? []
    const more = subresource === undefined ? [] : ['--subresource', subresource]
    return (await lab.tryKubectl(['auth', 'can-i', verb, resource, ...more, as, '--namespace', namespace])).stdout.trim() === 'yes'
  }
  const table: readonly [boolean, string, string, string][] = [
    [true, 'create', 'secrets', NAMESPACE],
    [false, 'get', 'secrets', NAMESPACE],
    [false, 'list', 'secrets', NAMESPACE],
    [true, 'patch', 'statefulsets.apps', NAMESPACE],
    [false, 'patch', 'statefulsets.apps', 'shop'],
    [true, 'create', 'pods/eviction', NAMESPACE],
    [false, 'create', 'pods', NAMESPACE],
    [false, 'create', 'pods/exec', NAMESPACE],
    [true, 'list', 'memorygroups.thermocline.dev', NAMESPACE],
    [false, 'patch', 'memorygroups.thermocline.dev', NAMESPACE],
    [true, 'patch', 'leases.coordination.k8s.io/thermocline-operator', NAMESPACE],
    [false, 'patch', 'leases.coordination.k8s.io/another', NAMESPACE],
    [true, 'list', 'nodes', NAMESPACE],
    [false, 'patch', 'nodes', NAMESPACE],
    [false, 'create', 'roles.rbac.authorization.k8s.io', NAMESPACE],
  ]
  for (const [wanted, verb, resource, namespace] of table) {
    assert.equal(await may(verb, resource, namespace), wanted, `${verb} ${resource} in ${namespace}`)
  }
}

/** A custom resource can be refused for a moment after its definition is established. */
async function eventually(act: () => Promise<unknown>, attempts = 120): Promise<void> {
  for (;;) {
    try {
      await act()
      return
    } catch (error) {
      if (--attempts === 0) throw error
      await new Promise((resolve) => setTimeout(resolve, 250))
    }
  }
}
