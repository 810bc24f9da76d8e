/** The client against a small HTTP server that misbehaves as API servers and what stands before them do. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { SILENT } from '../../sim/src/mod.ts'
import { Informer } from './informer.ts'
import { HttpKube } from './kube.ts'
import { KubeError } from './kube-error.ts'
import { osClock } from './os-clock.ts'
import type { WatchEvent } from './ports.ts'
import { RESOURCES } from './resources.ts'

interface Asked {
  readonly method: string
  readonly url: URL
  readonly type: string | undefined
  readonly body: Record<string, unknown>
  /** Which request this is, from 0. */
  readonly turn: number
}

type Answer = (asked: Asked, response: ServerResponse, request: IncomingMessage) => void

async function serve(t: TestContext, answer: Answer, timeoutMs = 1000) {
  const asked: Asked[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString()
      const one: Asked = {
        method: request.method ?? '',
        url: new URL(request.url ?? '', 'http://server'),
        type: request.headers['content-type'],
        body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>),
        turn: asked.length,
      }
      asked.push(one)
      answer(one, response, request)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const counted: string[] = []
  const kube = new HttpKube(
    { baseUrl: `http://127.0.0.1:${port}/prefix`, options: async () => ({ headers: { authorization: 'Bearer t' } }) },
    { fieldManager: 'tester', onRequest: (verb, resource, status) => counted.push(`${verb} ${resource} ${status}`), timeoutMs },
  )
  return { kube, asked, counted }
}

const json = (response: ServerResponse, value: unknown, status = 200, headers: Record<string, string> = {}): void => {
  response.writeHead(status, { 'content-type': 'application/json', ...headers })
  response.end(JSON.stringify(value))
}
const refuse = (response: ServerResponse, code: number, reason: string, details: object = {}, headers: Record<string, string> = {}): void =>
  json(response, { kind: 'Status', code, reason, message: `because ${reason}`, details }, code, headers)

const pod = (name: string, resourceVersion: string) => ({ metadata: { name, namespace: 'ns', resourceVersion, uid: `u-${name}` } })
const AT = { namespace: 'ns', name: 'p' }

async function errorOf(promise: Promise<unknown>): Promise<KubeError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof KubeError, String(error))
  return error
}

test('each verb asks as the API wants it', async (t) => {
  const { kube, asked, counted } = await serve(t, (one, response, request) => {
    assert.equal(request.headers.authorization, 'Bearer t')
    json(response, { ...one.body, ...pod('p', '5') })
  })
  const object = { apiVersion: 'apps/v1', kind: 'StatefulSet', metadata: AT, spec: { replicas: 1 } }
  assert.equal((await kube.get(RESOURCES.pods, AT))?.metadata.resourceVersion, '5')
  await kube.create(RESOURCES.statefulSets, object)
  await kube.apply(RESOURCES.statefulSets, object)
  await kube.applyStatus(RESOURCES.statefulSets, object)
  await kube.patch(RESOURCES.nodes, { name: 'n' }, { spec: { unschedulable: true } })
  await kube.patchStatus(RESOURCES.pods, AT, { status: {} })
  assert.equal(await kube.delete(RESOURCES.pods, AT, { uid: 'u', resourceVersion: '5', gracePeriodSeconds: 0 }), true)
  const sets = '/prefix/apis/apps/v1/namespaces/ns/statefulsets'
  assert.deepEqual(
    asked.map(({ method, url, type }) => [method, url.pathname, url.search, type]),
    [
      ['GET', '/prefix/api/v1/namespaces/ns/pods/p', '', undefined],
      ['POST', sets, '?fieldManager=tester', 'application/json'],
      ['PATCH', `${sets}/p`, '?fieldManager=tester&force=true', 'application/apply-patch+yaml'],
      ['PATCH', `${sets}/p/status`, '?fieldManager=tester&force=true', 'application/apply-patch+yaml'],
      ['PATCH', '/prefix/api/v1/nodes/n', '?fieldManager=tester', 'application/merge-patch+json'],
      ['PATCH', '/prefix/api/v1/namespaces/ns/pods/p/status', '?fieldManager=tester', 'application/merge-patch+json'],
      ['DELETE', '/prefix/api/v1/namespaces/ns/pods/p', '', 'application/json'],
    ],
  )
  const { preconditions, gracePeriodSeconds, propagationPolicy } = asked[6]?.body ?? {}
  assert.deepEqual([preconditions, gracePeriodSeconds, propagationPolicy], [{ uid: 'u', resourceVersion: '5' }, 0, 'Background'])
  assert.deepEqual(counted.slice(0, 2), ['get pods 200', 'create statefulsets.apps 200'])
})

test('a list is all its pages, and its items say what they are', async (t) => {
  const { kube, asked } = await serve(t, ({ url }, response) => {
    const next = url.searchParams.get('continue')
    const metadata = next === null ? { resourceVersion: '9', continue: 'more' } : { resourceVersion: '9' }
    json(response, { metadata, items: [pod(next === null ? 'a' : 'b', '1')] })
  })
  const { items, resourceVersion } = await kube.list(RESOURCES.pods, { namespace: 'ns', labelSelector: 'a=b,c in (d)' })
  assert.deepEqual(
    items.map(({ apiVersion, kind, metadata }) => [apiVersion, kind, metadata.name]),
    [
      ['v1', 'Pod', 'a'],
      ['v1', 'Pod', 'b'],
    ],
  )
  assert.equal(resourceVersion, '9')
  assert.equal(asked[1]?.url.searchParams.get('labelSelector'), 'a=b,c in (d)')
})

test('what is absent is a value, what fails an error that says all', async (t) => {
  const answers: Record<string, (response: ServerResponse) => void> = {
    absent: (response) => refuse(response, 404, 'NotFound'),
    conflict: (response) => refuse(response, 409, 'Conflict'),
    busy: (response) => refuse(response, 429, 'TooManyRequests', {}, { 'retry-after': '7' }),
    patient: (response) => refuse(response, 503, 'ServiceUnavailable', { retryAfterSeconds: 100_000 }),
    proxy: (response) => {
      response.writeHead(502, { 'content-type': 'text/html' })
      response.end('<html>bad gateway</html>')
    },
    broken: (response) => response.destroy(),
    half: (response) => {
      response.writeHead(200, { 'content-length': '100' })
      response.write('{"half":')
      setTimeout(() => response.destroy(), 10)
    },
    garbled: (response) => response.end('<html>login</html>'),
    odd: (response) => response.end('{}'),
    silent: () => {},
    dripping: (response) => response.write('{'),
  }
  const { kube, counted } = await serve(t, ({ url }, response) => answers[url.pathname.split('/').at(-1) ?? '']?.(response), 300)
  const get = (name: string) => kube.get(RESOURCES.pods, { namespace: 'ns', name })
  assert.equal(await get('absent'), undefined)
  assert.equal(await kube.delete(RESOURCES.pods, { namespace: 'ns', name: 'absent' }), false)
  const said: Record<string, [number, string, number | undefined]> = {}
  for (const name of Object.keys(answers).slice(1)) {
    const { status, reason, retryAfterMs } = await errorOf(get(name))
    said[name] = [status, reason, retryAfterMs]
  }
  assert.deepEqual(said, {
    conflict: [409, 'Conflict', undefined],
    busy: [429, 'TooManyRequests', 7000],
    patient: [503, 'ServiceUnavailable', 120_000],
    proxy: [502, 'Unknown', undefined],
    broken: [0, 'Unreachable', undefined],
    half: [0, 'Unreachable', undefined],
    garbled: [0, 'BadAnswer', undefined],
    odd: [0, 'BadAnswer', undefined],
    silent: [0, 'TimedOut', undefined],
    dripping: [0, 'TimedOut', undefined],
  })
  assert.equal((await errorOf(get('conflict'))).message, 'get pods ns/conflict: 409 Conflict: because Conflict')
  assert.ok(counted.includes('get pods 429') && counted.includes('get pods 0'))
})

test('an eviction speaks the version that is served; a budget refuses, an overloaded server fails', async (t) => {
  const { kube, asked } = await serve(t, ({ url }, response) => {
    if (url.pathname === '/prefix/version') return json(response, { major: '1', minor: '20+' })
    if (url.pathname === '/prefix/api') return json(response, { versions: ['v1'] })
    if (url.pathname === '/prefix/apis') return json(response, { groups: [{ versions: [{ groupVersion: 'policy/v1beta1' }] }] })
    const name = url.pathname.split('/').at(-2)
    if (name === 'free') return json(response, { kind: 'Status', status: 'Success' }, 201)
    if (name === 'gone') return refuse(response, 404, 'NotFound')
    const details = name === 'guarded' ? { causes: [{ reason: 'DisruptionBudget' }] } : {}
    return refuse(response, 429, 'TooManyRequests', details, { 'retry-after': '1' })
  })
  const evict = (name: string) => kube.evict({ namespace: 'ns', name }, { uid: 'u' })
  assert.deepEqual([await evict('free'), await evict('guarded'), await evict('gone')], ['evicted', 'refused', 'absent'])
  assert.equal((await errorOf(evict('busy'))).status, 429)
  const { apiVersion, deleteOptions } = asked.find(({ method }) => method === 'POST')?.body ?? {}
  assert.equal(apiVersion, 'policy/v1beta1')
  assert.deepEqual((deleteOptions as { preconditions: object }).preconditions, { uid: 'u' })
  const facts = await kube.discover()
  assert.deepEqual([facts.major, facts.minor, facts.hasCel, facts.policyVersion], [1, 20, false, 'v1beta1'])
  assert.equal(asked.filter(({ url }) => url.pathname === '/prefix/version').length, 1)
})

const line = (type: string, object: object): string => `${JSON.stringify({ type, object })}\n`

test('a watch takes objects out of chunks cut anywhere, and ends as the stream does', async (t) => {
  const text =
    line('ADDED', { ...pod('ä€😀', '11') }) + line('BOOKMARK', { metadata: { resourceVersion: '12' } }) + line('DELETED', pod('a', '13'))
  const { kube, asked } = await serve(t, ({ turn }, response) => {
    response.writeHead(200)
    if (turn === 0) {
      const bytes = Buffer.from(text)
      let at = 0
      const next = (): void => {
        if (at >= bytes.length) return void response.end()
        response.write(bytes.subarray(at, at + 5))
        at += 5
        setImmediate(next)
      }
      next()
    } else if (turn === 1) response.end(line('ADDED', pod('a', '1')) + line('ERROR', { code: 410, reason: 'Expired', message: 'too old' }))
    else if (turn === 2) {
      response.write(line('ADDED', pod('a', '1')))
      setTimeout(() => response.destroy(), 20)
    } else if (turn === 3) response.end('{"type":"ADDED"\n')
    else response.write(line('ADDED', pod('a', '1')))
  })
  const stop = new AbortController()
  const watch = async (): Promise<WatchEvent[]> => {
    const events: WatchEvent[] = []
    const options = { namespace: 'ns', resourceVersion: '10', timeoutSeconds: 60, signal: stop.signal }
    await kube.watch(RESOURCES.pods, options, (event) => events.push(event))
    return events
  }
  assert.deepEqual(
    (await watch()).map((event) => [event.type, event.type === 'BOOKMARK' ? event.resourceVersion : event.object.metadata.name]),
    [
      ['ADDED', 'ä€😀'],
      ['BOOKMARK', '12'],
      ['DELETED', 'a'],
    ],
  )
  const { searchParams } = asked[0]?.url ?? new URL('http://x')
  assert.deepEqual(
    ['watch', 'allowWatchBookmarks', 'resourceVersion', 'timeoutSeconds'].map((name) => searchParams.get(name)),
    ['true', 'true', '10', '60'],
  )
  assert.equal((await errorOf(watch())).status, 410)
  assert.equal((await errorOf(watch())).reason, 'Unreachable')
  assert.equal((await errorOf(watch())).reason, 'BadAnswer')
  const last = watch()
  setTimeout(() => stop.abort(), 50)
  assert.equal((await last).length, 1)
})

test('an informer over HTTP survives broken sockets, 410 in the middle, 429 and nonsense', async (t) => {
  const names = ['a', 'b', 'c', 'd']
  let lists = 0
  let watches = 0
  const { kube } = await serve(t, ({ url }, response) => {
    if (url.searchParams.get('watch') === null) {
      lists++
      if (lists === 1) return response.destroy()
      if (lists === 2) return refuse(response, 429, 'TooManyRequests', {}, { 'retry-after': '1' })
      return json(response, {
        metadata: { resourceVersion: String(lists * 10) },
        items: [pod(names[lists - 3] ?? 'z', String(lists * 10))],
      })
    }
    watches++
    response.writeHead(200)
    if (watches === 1) {
      const text = line('ADDED', pod('b', '31'))
      response.write(text.slice(0, 20))
      setTimeout(() => response.write(text.slice(20)), 10)
      setTimeout(() => response.destroy(), 40)
    } else if (watches === 2) {
      assert.equal(url.searchParams.get('resourceVersion'), '31')
      response.end(line('ERROR', { code: 410, reason: 'Expired', message: 'too old' }))
    } else response.write(line('MODIFIED', pod('b', '50')) + line('ADDED', pod('c', '51')))
    return undefined
  })
  const informer = new Informer({ kube, clock: osClock, random: () => 0.9, log: SILENT }, { resource: RESOURCES.pods, namespace: 'ns' })
  const told = new Set<string>()
  informer.subscribe(
    ({ metadata }) => metadata.name,
    (key) => told.add(key),
  )
  informer.start()
  const startedMs = osClock.nowMs()
  while (informer.get({ namespace: 'ns', name: 'c' }) === undefined) {
    assert.ok(osClock.nowMs() - startedMs < 20_000, `only ${[...told]} told, ${informer.restarts} restarts`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  assert.deepEqual(
    informer.all().map(({ metadata }) => `${metadata.name} ${metadata.resourceVersion}`),
    ['b 50', 'c 51'],
  )
  // a was listed first and is gone from the second list: its key was told both times.
  assert.deepEqual([...told], ['a', 'b', 'c'])
  assert.equal(informer.restarts, 4)
  await informer.stop()
})

test('the OpenAPI document of a kind’s group, or the whole of version 2 where there is none', async (t) => {
  const kind = { group: 'thermocline.dev', version: 'v1alpha1', plural: 'paxosgroups', kind: 'PaxosGroup', namespaced: true }
  const newer = await serve(t, ({ url }, response) => json(response, { path: url.pathname }))
  assert.deepEqual(await newer.kube.openApi(kind), { path: '/prefix/openapi/v3/apis/thermocline.dev/v1alpha1' })
  const older = await serve(t, ({ url }, response) =>
    url.pathname.endsWith('/v2') ? json(response, { path: url.pathname }) : refuse(response, 404, 'NotFound'),
  )
  assert.deepEqual(await older.kube.openApi(kind), { path: '/prefix/openapi/v2' })
})
