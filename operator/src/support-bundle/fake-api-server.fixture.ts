/**
 * An API server of plain HTTP for tests of the whole command: one PaxosGroup of three replicas and an operator. It refuses some
 * requests, lets one hang, has a node that is gone, and plants secrets wherever a careless server or person puts them.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** Each is in something that is asked for, and none may be in a bundle, in plain or in base64. */
export const PLANTED = {
  secretData: 'planted-in-secret-data',
  lastApplied: 'planted-in-last-applied',
  managedField: 'planted-in-managed-fields',
  environment: 'planted-in-environment',
  argument: 'planted-in-an-argument',
  log: 'planted-in-a-log-0123456789',
  page: 'planted-in-a-page',
  event: 'planted-in-an-event',
  credential: 'planted-as-our-own-credential',
} as const

type Fields = Readonly<Record<string, unknown>>

const OURS = { 'app.kubernetes.io/name': 'thermocline', 'app.kubernetes.io/component': 'storage', 'app.kubernetes.io/instance': 'orders' }
const OPERATORS = { 'app.kubernetes.io/name': 'thermocline', 'app.kubernetes.io/component': 'operator' }

const base64 = (text: string): string => Buffer.from(text).toString('base64')
const applied = { 'kubectl.kubernetes.io/last-applied-configuration': `{"kind":"Any","stringData":{"a":"${PLANTED.lastApplied}"}}` }
const managedFields = [{ manager: 'kubectl', fieldsV1: { 'f:data': { [`v:"${PLANTED.managedField}"`]: {} } } }]

const meta = (name: string, namespace?: string, labels: Fields = OURS): Fields => ({
  name,
  namespace,
  labels,
  annotations: applied,
  managedFields,
})

const container = {
  name: 'node',
  args: ['--token', PLANTED.argument],
  ports: [{ name: 'http', containerPort: 7401 }],
  env: [
    { name: 'EXTRA', value: PLANTED.environment },
    { name: 'FROM', valueFrom: { secretKeyRef: { name: 'orders-admin', key: 'token' } } },
  ],
}

const pod = (replica: number, restarts: number): Fields => ({
  metadata: meta(`orders-g0-${replica}`, 'shop'),
  spec: { nodeName: `n${replica}`, containers: [container], volumes: [{ name: 'token', secret: { secretName: 'orders-admin' } }] },
  status: { phase: 'Running', containerStatuses: [{ name: 'node', restartCount: restarts }] },
})

const operatorPod: Fields = {
  metadata: meta('thermocline-operator-1', 'thermocline-system', OPERATORS),
  spec: { containers: [{ name: 'operator', env: [{ name: 'THERMOCLINE_LEASE_NAME', value: 'thermocline-operator' }] }] },
  status: { phase: 'Running', containerStatuses: [{ name: 'operator', restartCount: 0 }] },
}

const event = (name: string, subject: string): Fields => ({
  metadata: { name, namespace: 'shop', managedFields },
  involvedObject: { kind: 'Pod', name: subject },
  reason: 'Failed',
  message: `pull failed: password=${PLANTED.event}`,
  lastTimestamp: '2025-01-01T00:00:00Z',
})

const secret = (name: string): Fields => ({ metadata: meta(name, 'shop'), type: 'Opaque', data: { token: base64(PLANTED.secretData) } })

const SHOP = '/api/v1/namespaces/shop'
const SYSTEM = '/api/v1/namespaces/thermocline-system'
const group: Fields = { metadata: meta('orders', 'shop', {}), spec: { replicas: 3 }, status: { phase: 'Ready' } }

/** By path: the items of a list, page by page. */
const LISTS: Readonly<Record<string, readonly (readonly Fields[])[]>> = {
  '/apis/thermocline.dev/v1alpha1/paxosgroups': [[group]],
  '/apis/thermocline.dev/v1alpha1/namespaces/shop/paxosgroups': [[group]],
  [`${SHOP}/pods`]: [[pod(0, 0), pod(1, 2)], [pod(2, 0)]],
  [`${SHOP}/secrets`]: [[secret('orders-admin'), secret('of-somebody-else')]],
  [`${SHOP}/events`]: [[event('e1', 'orders-g0-1'), event('e2', 'redis-0')]],
  '/apis/apps/v1/namespaces/shop/statefulsets': [
    [{ metadata: meta('orders-g0', 'shop'), spec: { template: { spec: { containers: [container] } } } }],
  ],
  [`${SYSTEM}/pods`]: [
    [operatorPod, { metadata: meta('postgres-operator', 'thermocline-system', { 'app.kubernetes.io/component': 'operator' }) }],
  ],
  '/api/v1/persistentvolumes': [
    [
      { metadata: { name: 'pv1' }, spec: { claimRef: { namespace: 'shop', name: 'data-orders-g0-0' } } },
      { metadata: { name: 'pv2' }, spec: { claimRef: { namespace: 'shop', name: 'data-redis-0' } } },
    ],
  ],
}

const DOCUMENTS: Readonly<Record<string, Fields>> = {
  '/version': { major: '1', minor: '34', gitVersion: 'v1.34.0' },
  '/apis/thermocline.dev/v1alpha1': {
    resources: [
      { name: 'paxosgroups', kind: 'PaxosGroup', namespaced: true },
      { name: 'paxosgroups/status', kind: 'PaxosGroup', namespaced: true },
    ],
  },
  '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/paxosgroups.thermocline.dev': { metadata: meta('paxosgroups.thermocline.dev') },
  '/apis/coordination.k8s.io/v1/namespaces/thermocline-system/leases/thermocline-operator': {
    metadata: meta('thermocline-operator', 'thermocline-system'),
    spec: { holderIdentity: 'thermocline-operator-1_abc' },
  },
}

const TEXTS: Readonly<Record<string, string>> = {
  [`${SHOP}/pods/orders-g0-0/log`]: `{"msg":"started","authorization":"Bearer ${PLANTED.log}"}\n`,
  [`${SHOP}/pods/orders-g0-1/log`]: 'now\n',
  [`${SHOP}/pods/orders-g0-1/log?previous`]: 'before the restart\n',
  [`${SYSTEM}/pods/thermocline-operator-1/log`]: 'leads\n',
  [`${SHOP}/pods/orders-g0-0:7401/proxy/v1/admin/status`]: `{"state":"serving","password":"${PLANTED.page}"}`,
  [`${SHOP}/pods/orders-g0-0:7401/proxy/v1/admin/topology`]: '{"epoch":3}',
  [`${SHOP}/pods/orders-g0-0:7401/proxy/metrics`]: 'thermocline_up 1\n',
  [`${SHOP}/pods/orders-g0-1:7401/proxy/v1/admin/status`]: '{"state":"serving"}',
  [`${SHOP}/pods/orders-g0-1:7401/proxy/v1/admin/topology`]: '{"epoch":3}',
  [`${SYSTEM}/pods/thermocline-operator-1:8080/proxy/metrics`]: 'thermocline_operator_leader 1\n',
}

/** An old server. */
const NOT_SERVED = '/apis/policy/v1/'
const FORBIDDEN = new Set(['/api/v1/nodes', `${SYSTEM}/secrets`])
const HANGING = `${SHOP}/pods/orders-g0-1:7401/proxy/metrics`
/** Its kubelet does not answer any more. */
const GONE = `${SHOP}/pods/orders-g0-2`

function answer(request: IncomingMessage, response: ServerResponse, isListForbidden: boolean, onSent: (text: string) => void) {
  const url = new URL(request.url ?? '', 'http://server')
  const path = url.pathname
  const send = (status: number, body: unknown) => {
    response.writeHead(status, { 'content-type': 'application/json' })
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    onSent(text)
    response.end(text)
  }
  const refuse = (status: number, reason: string, message: string) =>
    send(status, { kind: 'Status', status: 'Failure', code: status, reason, message })
  const { authorization = '' } = request.headers
  if (request.method !== 'GET') return refuse(405, 'MethodNotAllowed', 'a bundle only reads')
  if (authorization !== `Bearer ${PLANTED.credential}`) return refuse(401, 'Unauthorized', `not with ${authorization}`)
  const isForbidden = FORBIDDEN.has(path) || (isListForbidden && path === '/apis/thermocline.dev/v1alpha1/paxosgroups')
  if (isForbidden) return refuse(403, 'Forbidden', `User "u" with ${authorization} cannot list ${path}`)
  if (path === HANGING) return void response.write('thermocline_up')
  if (path.startsWith(GONE)) return refuse(500, 'InternalError', 'dial tcp 10.0.0.3:10250: connect: no route to host')
  const lists = LISTS[path]
  if (lists !== undefined) {
    const page = Number(url.searchParams.get('continue') ?? 0)
    const more = page + 1 < lists.length ? { continue: String(page + 1) } : {}
    return send(200, { metadata: { resourceVersion: '1', ...more }, items: lists[page] })
  }
  const document = DOCUMENTS[path] ?? TEXTS[url.searchParams.has('previous') ? `${path}?previous` : path]
  if (document !== undefined) return send(200, document)
  if (path.startsWith(NOT_SERVED)) return refuse(404, 'NotFound', 'the server could not find the requested resource')
  // A list of nothing.
  if (/^\/(?:api\/v1|apis\/[^/]+\/v1(?:beta1)?)\/(?:namespaces\/[^/]+\/)?[a-z]+$/.test(path)) return send(200, { metadata: {}, items: [] })
  return refuse(404, 'NotFound', `there is no ${path}`)
}

export interface FakeApiServer {
  readonly url: string
  /** Paths and queries that were asked for. */
  readonly asked: readonly string[]
  readonly accepted: ReadonlyMap<string, string>
  /** Everything that was answered. */
  sent(): string
  close(): void
}

/** With `isListForbidden`, PaxosGroups can be listed only within their namespace. */
export async function startFakeApiServer({ isListForbidden = false } = {}): Promise<FakeApiServer> {
  const asked: string[] = []
  const accepted = new Map<string, string>()
  const sent: string[] = []
  const server = createServer((request, response) => {
    asked.push(request.url ?? '')
    accepted.set((request.url ?? '').split('?')[0] as string, request.headers.accept ?? '')
    answer(request, response, isListForbidden, (text) => sent.push(text))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const close = () => {
    server.closeAllConnections()
    server.close()
  }
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked, accepted, sent: () => sent.join('\n'), close }
}
