import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import {
  ByteReader,
  ByteWriter,
  blockOf,
  Condition,
  ERRORS,
  type ErrorCode,
  encodeSeries,
  formatRecordId,
  Operation,
  ownerOf,
  parseTopology,
  readRecordId,
  ThermoclineError,
  type Topology,
  WriteKind,
  writeErrorBody,
  writeRecordId,
} from '@thermocline/protocol'
import type { NodeRequest } from '../doors/node-request.ts'
import { quietDoors } from '../doors/quiet-doors.fixture.ts'
import { allowedHosts } from './asked-host.ts'
import { createHttpServer } from './http-server.ts'
import type { AdminService, DataService, NodeStatus } from './ports.ts'

const TOKEN = 'secret-token'
const replica = (group: number, slot: number) => ({
  replica: slot,
  data: `127.0.0.1:${7400 + 100 * group + 10 * slot}`,
  http: `127.0.0.1:${7401 + 100 * group + 10 * slot}`,
  incarnation: { number: 0, nonce: '0123456789abcdef' },
})
const topologyOf = (epoch: number, groups = 1): Topology =>
  parseTopology({
    formatVersion: 1,
    clusterId: 'c1'.repeat(16),
    epoch,
    groups: Array.from({ length: groups }, (_, group) => ({ group, replicas: [0, 1, 2].map((slot) => replica(group, slot)) })),
  })

class FakeData implements DataService {
  index = 5
  readonly records = new Map<string, { version: number; value: Uint8Array }>()
  readonly stamps: number[] = []
  failure: { code: ErrorCode; argument?: number; after?: number } | undefined
  timeouts: number[] = []
  readonly callers: string[] = []

  submit(request: NodeRequest): void {
    const { operation, body, timeoutMs } = request
    this.timeouts.push(timeoutMs)
    this.callers.push(`${request.caller.door} ${request.caller.source}`)
    const writer = new ByteWriter()
    if (this.failure !== undefined && operation !== Operation.stamps && (this.failure.after ?? 0) <= 0) {
      writeErrorBody(writer, { index: 0, argument: this.failure.argument ?? 0, message: 'as the test says' })
      request.reply(ERRORS[this.failure.code].number, writer.copy())
      return
    }
    if (this.failure !== undefined) this.failure.after = (this.failure.after ?? 0) - (operation === Operation.scan ? 1 : 0)
    const code = this.answer(operation, new ByteReader(body.slice()), writer)
    request.reply(code === undefined ? 0 : ERRORS[code].number, writer.copy())
  }

  private answer(operation: number, reader: ByteReader, writer: ByteWriter): ErrorCode | undefined {
    if (operation === Operation.stamps) writer.u48(this.index)
    else if (operation === Operation.write) return this.write(reader, writer)
    else if (operation === Operation.get) {
      const series = new TextDecoder().decode(reader.take(reader.u16()))
      reader.u16()
      const found = this.records.get(`${series}/${formatRecordId(readRecordId(reader))}`)
      writer.u48(this.index)
      writer.u48(found?.version ?? 0)
      writer.u32(found?.value.length ?? 0)
      if (found !== undefined) writer.put(found.value)
    } else this.scan(reader, writer)
    return undefined
  }

  private write(reader: ByteReader, writer: ByteWriter): ErrorCode | undefined {
    reader.skip(16)
    this.stamps.push(reader.u48())
    const series = new TextDecoder().decode(reader.take(reader.u16()))
    reader.u16()
    const [kind, condition, version] = [reader.u8(), reader.u8(), reader.u48()]
    const given = readRecordId(reader)
    const value = reader.take(reader.u32()).slice()
    const id = kind === WriteKind.append ? { ms: 1000, seq: this.index } : given
    const key = `${series}/${formatRecordId(id)}`
    const old = this.records.get(key)?.version ?? 0
    if ((condition === Condition.ifAbsent && old > 0) || (condition === Condition.ifVersion && old !== version)) {
      writeErrorBody(writer, { index: this.index, argument: old, message: 'the condition does not hold' })
      return 'precondition_failed'
    }
    this.index++
    writer.u48(this.index)
    if (kind === WriteKind.append) writeRecordId(writer, id)
    else {
      writer.u48(old)
      writer.u16(0)
    }
    if (kind === WriteKind.delete) this.records.delete(key)
    else this.records.set(key, { version: this.index, value })
    return undefined
  }

  /** Chunks of two, ids 1-0 … 9-0, newest first. */
  private scan(reader: ByteReader, writer: ByteWriter): void {
    reader.take(reader.u16())
    const from = readRecordId(reader).ms
    const to = Math.min(9, readRecordId(reader).ms)
    const count = Math.min(2, reader.u32(), Math.max(0, to - Math.max(1, from) + 1))
    writer.u48(this.index)
    writer.u8(to - count >= Math.max(1, from) ? 1 : 0)
    writeRecordId(writer, { ms: Math.max(0, to - count), seq: 0 })
    writer.u32(count)
    for (let ms = to; ms > to - count; ms--) {
      writeRecordId(writer, { ms, seq: 0 })
      writer.u48(ms)
      writer.u32(1)
      writer.u8(ms === 9 ? 0xff : 0x30 + ms)
    }
  }
}

class FakeAdmin implements AdminService {
  current: Topology | undefined = topologyOf(1)
  state: NodeStatus['state'] = 'serving'
  private readonly waiters = new Set<() => void>()

  status(): NodeStatus {
    return {
      role: 'storage',
      version: '0.1.0',
      state: this.state,
      reason: this.state === 'serving' ? undefined : 'as the test says',
      clusterId: 'c1'.repeat(16),
      group: 0,
      replica: 1,
      incarnation: { number: 0, nonce: '0123456789abcdef' },
      boot: 3,
      standing: 'voter',
      mode: 'Voter',
      learner: undefined,
      epoch: this.current?.epoch ?? 0,
      uptimeMs: 1500,
      addresses: { data: '127.0.0.1:7410', http: '127.0.0.1:7411' },
      blocks: { known: 2, open: 1, behind: 0 },
      chosenTotal: 77,
      peers: [{ replica: 0, connected: true, live: true, reason: undefined, chosenTotal: 76 }],
      writes: { state: 'accepted' },
      log: { segments: 1, bytes: 4096, writeNumber: 9 },
      memory: { limitBytes: 1e9, rssBytes: 1e8 },
      counters: { writes_total: 12, syncs: 3 },
      gauges: { queue_age_seconds: 0.5 },
    }
  }

  async setVolumeAside(): Promise<string> {
    if (this.state !== 'foreign') throw new ThermoclineError('invalid_argument', 'as the test says')
    return '/data/aside'
  }

  digests() {
    return [{ block: 4, index: 9, digest: '00000000000000ff' }]
  }

  topology() {
    return this.current
  }

  async installTopology(topology: Topology) {
    if (this.current !== undefined && topology.epoch <= this.current.epoch) throw new ThermoclineError('stale_epoch', 'not newer')
    this.current = topology
    for (const wake of this.waiters) wake()
  }

  watchTopology(_known: number, waitMs: number): Promise<Topology | undefined> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(undefined), waitMs)
      this.waiters.add(() => {
        clearTimeout(timer)
        resolve(this.current)
      })
    })
  }
}

async function server(t: TestContext, { token }: { token: string | undefined } = { token: TOKEN }) {
  const data = new FakeData()
  const admin = new FakeAdmin()
  const http = await createHttpServer({
    data,
    admin,
    randomHex: (bytes) => randomBytes(bytes).toString('hex'),
    token,
    doors: quietDoors(),
    hosts: allowedHosts('127.0.0.1:0', []),
  })
  t.after(() => http.close())
  return { data, admin, http, inject: http.app.inject.bind(http.app) }
}

test('a record is put, read, validated by ETag and removed', async (t) => {
  const { data, inject } = await server(t)
  const url = `/v1/series/${encodeURIComponent('a/b ü')}/records/1000-1`
  const put = await inject({ method: 'PUT', url, payload: Buffer.from([0, 255, 1]), headers: { 'content-type': 'image/png' } })
  assert.deepEqual([put.statusCode, put.json(), put.headers.etag], [200, { version: 6 }, '"6"'])
  assert.deepEqual([...data.records.keys()], ['a/b ü/1000-1'])
  assert.deepEqual(data.stamps, [5])
  assert.deepEqual(data.callers, ['http 127.0.0.1', 'http 127.0.0.1'], 'the stamp and the write say who asks')
  const get = await inject({ url })
  assert.deepEqual([get.statusCode, get.headers.etag, get.headers['content-type']], [200, '"6"', 'application/octet-stream'])
  assert.deepEqual([...get.rawPayload], [0, 255, 1])
  assert.equal((await inject({ url, headers: { 'if-none-match': '"5", "6"' } })).statusCode, 304)
  assert.equal((await inject({ url, headers: { 'if-none-match': '"5"' } })).statusCode, 200)
  assert.equal((await inject({ url, method: 'HEAD' })).headers['content-length'], '3')
  assert.deepEqual((await inject({ method: 'DELETE', url })).json(), { version: 7, existed: true })
  const gone = await inject({ url })
  assert.deepEqual([gone.statusCode, gone.json().code, gone.json().outcome], [404, 'not_found', 'not'])
})

test('conditions are If-None-Match: * and If-Match; a failed one is 412 with the current version', async (t) => {
  const { inject } = await server(t)
  const url = '/v1/series/s/records/1'
  const put = (headers: Record<string, string>) => inject({ method: 'PUT', url, payload: 'x', headers })
  assert.equal((await put({ 'if-none-match': '*' })).statusCode, 200)
  const again = await put({ 'if-none-match': '*' })
  assert.deepEqual([again.statusCode, again.json().code, again.json().currentVersion], [412, 'precondition_failed', 6])
  assert.equal((await put({ 'if-match': '"6"' })).statusCode, 200)
  assert.equal((await inject({ method: 'DELETE', url, headers: { 'if-match': '"6"' } })).statusCode, 412)
  assert.equal((await inject({ method: 'DELETE', url, headers: { 'if-match': '7' } })).statusCode, 200)
  for (const headers of [
    { 'if-match': '*' },
    { 'if-match': '"a"' },
    { 'if-none-match': '"6"' },
    { 'if-match': '"1"', 'if-none-match': '*' },
  ]) {
    const refused = await put(headers as Record<string, string>)
    assert.deepEqual([refused.statusCode, refused.json().code], [400, 'invalid_argument'])
  }
})

test('append answers 201 with the id and where it is; an empty body is an empty value', async (t) => {
  const { data, inject } = await server(t)
  const answer = await inject({ method: 'POST', url: '/v1/series/s/records', payload: 'x' })
  assert.deepEqual([answer.statusCode, answer.json()], [201, { id: '1000-5', version: 6 }])
  assert.equal(answer.headers.location, '/v1/series/s/records/1000-5')
  await inject({ method: 'PUT', url: '/v1/series/s/records/7' })
  assert.equal(data.records.get('s/7-0')?.value.length, 0)
})

test('a range is one chunk of JSON, or a stream of the whole as NDJSON', async (t) => {
  const { data, inject } = await server(t)
  const url = '/v1/series/s/records'
  const json = (await inject({ url })).json()
  assert.deepEqual(json, {
    records: [
      { id: '9-0', version: 9, value: '/w==' },
      { id: '8-0', version: 8, value: 'OA==', text: '8' },
    ],
    next: '7-0',
  })
  assert.equal((await inject({ url: `${url}?from=9&to=9` })).json().next, null)
  const headers = { accept: 'application/x-ndjson' }
  const ids = (payload: string) =>
    payload
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { id?: string }).id)
  assert.equal(ids((await inject({ url, headers })).payload).length, 9)
  assert.deepEqual(ids((await inject({ url: `${url}?limit=3&to=5-3`, headers })).payload), ['5-0', '4-0', '3-0'])
  data.failure = { code: 'unavailable', after: 2 }
  const broken = await inject({ url, headers }).catch((error: Error) => error)
  if ('payload' in broken) assert.match(broken.payload, /"error":\{"code":"unavailable".*"next":"5-0"/)
})

test('unknown and wrong fields are refused by name', async (t) => {
  const { data, inject } = await server(t)
  const cases: [string, RegExp][] = [
    ['/v1/series/s/records?form=1', /querystring.*form/],
    ['/v1/series/s/records?limit=0', /querystring\.limit/],
    ['/v1/series/s/records?reverse=yes', /querystring\.reverse/],
    ['/v1/series/s/records?from=5&to=4', /^from: /],
    ['/v1/series/s/records?from=x', /querystring\.from/],
    ['/v1/series/s/records/abc', /^id: /],
    ['/v1/series/s/records/1?timeoutMs=0', /querystring\.timeoutMs/],
    [`/v1/series/${'s'.repeat(513)}/records/1`, /^series: /],
    ['/v1/admin/status?x=1', /querystring.*x/],
  ]
  for (const [url, message] of cases) {
    const answer = await inject({ url })
    assert.deepEqual([url.slice(0, 60), answer.statusCode, answer.json().code], [url.slice(0, 60), 400, 'invalid_argument'])
    assert.match(answer.json().message, message)
    assert.ok(answer.json().nextStep.length > 0)
  }
  const large = await inject({ method: 'PUT', url: '/v1/series/s/records/1', payload: Buffer.alloc(1024 * 1024 + 1) })
  assert.deepEqual([large.statusCode, large.json().code], [413, 'invalid_argument'])
  assert.equal(data.records.size, 0)
  const lost = await inject({ url: '/v2' })
  assert.deepEqual([lost.statusCode, lost.json().code], [404, 'not_found'])
})

test('errors of the service keep code, status, outcome and retry-after', async (t) => {
  const { data, inject } = await server(t)
  const url = '/v1/series/s/records/1'
  data.failure = { code: 'overloaded', argument: 1500 }
  const overloaded = await inject({ url })
  assert.deepEqual([overloaded.statusCode, overloaded.headers['retry-after']], [429, '2'])
  data.failure = { code: 'unknown' }
  const unknown = await inject({ method: 'PUT', url, payload: 'x' })
  assert.deepEqual([unknown.statusCode, unknown.json().outcome], [504, 'maybe'])
  data.failure = undefined
  await inject({ url: `${url}?timeoutMs=1234` })
  assert.equal(data.timeouts.at(-1), 1234)
})

test('a block of another group is redirected to the replica whose turn it is', async (t) => {
  const { data, admin, inject } = await server(t)
  data.failure = { code: 'moved', argument: 2 }
  admin.current = topologyOf(2, 2)
  const series = Array.from({ length: 50 }, (_, at) => `s${at}`).find((name) => ownerOf(blockOf(encodeSeries(name)), 2) === 1) as string
  const answer = await inject({ url: `/v1/series/${series}/records/1?timeoutMs=500` })
  assert.equal(answer.statusCode, 307)
  assert.match(String(answer.headers.location), new RegExp(`^http://127.0.0.1:75[0-2]1/v1/series/${series}/records/1\\?timeoutMs=500$`))
  admin.current = topologyOf(3, 1)
  assert.equal((await inject({ url: `/v1/series/${series}/records/1` })).statusCode, 421)
})

test('the topology is written with the token and a newer epoch only, and watched', async (t) => {
  const { admin, inject } = await server(t)
  const url = '/v1/admin/topology'
  const put = (payload: string, token?: string) =>
    inject({ method: 'PUT', url, payload, headers: token === undefined ? {} : { authorization: `Bearer ${token}` } })
  assert.equal((await inject({ url })).json().epoch, 1)
  assert.equal((await put(JSON.stringify(topologyOf(2)))).statusCode, 401)
  assert.equal((await put(JSON.stringify(topologyOf(2)), 'wrong')).statusCode, 401)
  assert.equal((await put('{', TOKEN)).json().code, 'invalid_argument')
  assert.match((await put(JSON.stringify({ ...topologyOf(2), colour: 1 }), TOKEN)).json().message, /topology/)
  assert.equal((await put(JSON.stringify(topologyOf(1)), TOKEN)).json().code, 'stale_epoch')
  assert.equal((await inject({ url: `${url}?after=1&waitMs=20` })).statusCode, 204)
  const watched = inject({ url: `${url}?after=1&waitMs=5000` })
  await new Promise((resolve) => setTimeout(resolve, 20))
  assert.deepEqual((await put(JSON.stringify(topologyOf(2)), TOKEN)).json(), { epoch: 2 })
  assert.equal((await watched).json().epoch, 2)
  admin.current = undefined
  assert.equal((await inject({ url })).statusCode, 404)
  const { inject: locked } = await server(t, { token: undefined })
  const refused = await locked({ method: 'PUT', url, payload: '{}', headers: { authorization: 'Bearer x' } })
  assert.equal(refused.statusCode, 401)
})

test('by another name, or for a page of another site, no route answers', async (t) => {
  const { inject, data } = await server(t)
  const strangers = [
    { host: 'evil.example:7401' },
    { origin: 'http://evil.example' },
    { origin: 'null' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
  ]
  const routes = ['/healthz', '/metrics', '/openapi.json', '/v1/admin/status', '/v1/series/s/records', '/nowhere']
  for (const headers of strangers) {
    for (const url of routes) {
      const answer = await inject({ url, headers })
      assert.deepEqual([url, answer.statusCode, answer.json().code], [url, 403, 'forbidden'])
    }
    const written = await inject({ method: 'POST', url: '/v1/series/s/records', payload: 'x', headers })
    assert.equal(written.statusCode, 403)
  }
  assert.deepEqual([data.records.size, data.callers.length], [0, 0])
  const own = await inject({
    url: '/v1/admin/status',
    headers: { host: '127.0.0.1:1', origin: 'http://127.0.0.1:1', 'sec-fetch-site': 'same-origin' },
  })
  assert.equal(own.statusCode, 200)
})

test('a foreign volume: the process is sound and serves nothing; only who has the token moves it aside', async (t) => {
  const { admin, inject } = await server(t)
  const url = '/v1/admin/volume/set-aside'
  const post = (token: string, scheme = 'Bearer') => inject({ method: 'POST', url, headers: { authorization: `${scheme} ${token}` } })
  assert.equal((await post(TOKEN)).statusCode, 400)
  admin.state = 'foreign'
  assert.deepEqual([(await inject({ url: '/healthz' })).statusCode, (await inject({ url: '/readyz' })).statusCode], [200, 503])
  assert.equal((await post('other')).statusCode, 401)
  assert.equal((await post(TOKEN.toUpperCase())).statusCode, 401)
  assert.equal((await post(TOKEN, 'Basic')).statusCode, 401)
  for (const scheme of ['Bearer', 'bearer', 'BEARER']) assert.deepEqual((await post(TOKEN, scheme)).json(), { path: '/data/aside' })
})

test('health, readiness, status, digests, metrics and the OpenAPI document', async (t) => {
  const { admin, inject } = await server(t)
  assert.deepEqual((await inject({ url: '/readyz' })).json(), { status: 'serving' })
  admin.state = 'joining'
  assert.deepEqual([(await inject({ url: '/healthz' })).statusCode, (await inject({ url: '/readyz' })).statusCode], [200, 503])
  admin.state = 'failed'
  assert.equal((await inject({ url: '/healthz' })).statusCode, 503)
  const status = (await inject({ url: '/v1/admin/status' })).json()
  assert.deepEqual([status.replica, status.blocks.known, status.counters.writes_total], [1, 2, 12])
  assert.deepEqual((await inject({ url: '/v1/admin/digests' })).json().digests, admin.digests())
  for (let time = 0; time < 2; time++) {
    const { payload, headers } = await inject({ url: '/metrics' })
    assert.match(String(headers['content-type']), /^text\/plain/)
    for (const line of [
      'thermocline_writes_total 12',
      'thermocline_syncs_total 3',
      'thermocline_queue_age_seconds 0.5',
      'thermocline_epoch 1',
      'thermocline_state{state="failed"} 1',
      'thermocline_peer_live{replica="0"} 1',
    ]) {
      assert.ok(payload.includes(`\n${line}\n`), line)
    }
    assert.match(payload, /process_cpu_user_seconds_total/)
  }
  const document = (await inject({ url: '/openapi.json' })).json()
  assert.equal(document.info.version, '0.1.0')
  assert.deepEqual(Object.keys(document.paths).sort(byName), [
    '/healthz',
    '/metrics',
    '/readyz',
    '/v1/admin/digests',
    '/v1/admin/status',
    '/v1/admin/topology',
    '/v1/admin/volume/set-aside',
    '/v1/series/{series}/records',
    '/v1/series/{series}/records/{id}',
  ])
})

test('a taken port is told as such', async (t) => {
  const { http } = await server(t)
  const { http: other } = await server(t)
  const address = await http.listen('127.0.0.1:0')
  assert.match(address, /^127\.0\.0\.1:\d+$/)
  await assert.rejects(other.listen(address), { code: 'port_in_use' })
  await assert.rejects(other.listen('nowhere'), { code: 'invalid_argument' })
})

function byName(a: string, b: string): number {
  return a < b ? -1 : 1
}
