/** Wrong input by command line, HTTP and library: each answer names the field and what was wanted, and nothing is written. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, type TestContext, test } from 'node:test'
import { connect, ThermoclineError } from '@thermocline/client'
import { waitForAgreement } from './agreement.ts'
import { runCommand } from './command.ts'
import { Up } from './up.ts'

let up: Up
let token: string
before(async () => {
  up = await Up.fresh()
  token = readFileSync(join(up.folder, 'token'), 'utf8').trim()
  await up.output('put', 'known', '5-0', 'as it was')
})
after(() => up.stop())

const long = 'x'.repeat(513)

/**
 * Asserts that a test body leaves the log of every block as long as it was. A condition that did not hold stands in the
 * log, as an entry that changes nothing; those are tested apart.
 */
async function writesNothing(body: () => Promise<void>): Promise<void> {
  const before = await waitForAgreement(up.http)
  await body()
  const { blocks, entries } = await waitForAgreement(up.http)
  assert.deepEqual([blocks, entries], [before.blocks, before.entries])
}

const COMMANDS: readonly (readonly [args: readonly string[], code: number, says: RegExp])[] = [
  [['frob'], 2, /unknown command 'frob'/],
  [['puts', 'a', '1-0', 'x'], 2, /Did you mean put\?/],
  [['put'], 2, /missing required argument 'series'/],
  [['get', 'a', '1-0', 'more'], 2, /too many arguments for 'get'/],
  [['get', 'a', '1-0', '--frob'], 2, /unknown option '--frob'/],
  [['put', '', '5-0', 'x'], 2, /series: "" has 0 bytes in UTF-8; expected 1 to 512/],
  [['put', long, '5-0', 'x'], 2, /series: "x+" has 513 bytes in UTF-8; expected 1 to 512/],
  [['put', 'a', 'five', 'x'], 2, /id: "five" is not <ms>-<seq>/],
  [['put', 'a', '-5', 'x'], 2, /id: "-5" is not <ms>-<seq>/],
  [['put', 'a', '5-65536', 'x'], 2, /id: "5-65536" is not .* seq ≤ 65535/],
  [['put', 'a', '281474976710656-0', 'x'], 2, /id: "281474976710656-0" is not .* ms ≤ 281474976710655/],
  [['put', 'a', '5-0', '--file', '/does/not/exist'], 2, /--file: \/does\/not\/exist cannot be read/],
  [['put', 'a', '5-0', 'x', '--file', '/etc/hostname'], 2, /--file: excludes a value/],
  [['put', 'a', '5-0', 'x', '--if-version', '0'], 2, /'--if-version <version>' argument '0' is invalid. Expected a whole number from 1/],
  [['put', 'a', '5-0', 'x', '--if-version', '1', '--if-absent'], 2, /ifAbsent: excludes ifVersion/],
  [['scan', 'a', '--limit', '0'], 2, /'--limit <n>' argument '0' is invalid. Expected a whole number from 1/],
  [['scan', 'a', '--from', 'zz'], 2, /from: id: "zz" is not <ms>-<seq>/],
  [['scan', 'a', '--to', '1-99999'], 2, /to: id: "1-99999" is not <ms>-<seq>/],
  [['scan', 'a', '--from', '9', '--to', '3'], 2, /from: 9-0 is above to, 3-65535/],
  [['get', 'a', '1-0', '--timeout', '0'], 2, /'--timeout <ms>' argument '0' is invalid/],
  [['get', 'a', '1-0', '--endpoints', 'here'], 2, /endpoints: "here" is not host:port/],
  [['get', 'a', '1-0', '--endpoints', ''], 2, /endpoints: expected at least one host:port/],
  [['get', 'a', '1-0', '--endpoints', '127.0.0.1:1', '--timeout', '500'], 6, /ECONNREFUSED 127\.0\.0\.1:1\n.*start a cluster with/],
  [['import', '/does/not/exist', '--series', 's', '--time', 't'], 2, /import: \/does\/not\/exist cannot be read/],
  [['import', '-', '--series', '=', '--time', 't'], 2, /--series: expected a field, or = and a name/],
  [['import', '-', '--time', 't'], 2, /required option '--series <field>' not specified/],
  [['import', '-', '--series', 's', '--time', 't', '--format', 'xml'], 2, /Allowed choices are ndjson, csv/],
  [['bench', '--mode', 'fly'], 2, /Allowed choices are put, get/],
  [['completion', 'tcsh'], 2, /completion: "tcsh" is not bash, zsh or fish/],
  [['inspect'], 2, /DATADIR: is missing; usage: thermocline inspect DATADIR/],
  [['node', '--replica', '0'], 2, /--data: is required/],
  [['node', '--frob'], 2, /Unknown option '--frob'.*flags of thermocline node: --role/],
  [['node', '--data', '/tmp/x', '--replica', '7', '--cluster', 'a'.repeat(32)], 2, /--replica: "7": expected at most 4/],
]

test('command line', async () => {
  await writesNothing(async () => {
    for (const [args, code, says] of COMMANDS) {
      const found = await up.run(args, { stdin: '' })
      assert.match(found.stderr, says, args.join(' '))
      assert.equal(found.code, code, `${args.join(' ')}: ${found.stderr}`)
      assert.doesNotMatch(found.stderr, /\n +at .*:\d+:\d+/, 'no stack trace for a mistake of the caller')
    }
    const large = await up.run(['put', 'a', '5-0'], { stdin: Buffer.alloc(1024 * 1024 + 1) })
    assert.deepEqual([large.code, /value: standard input has more than 1048576 bytes/.test(large.stderr)], [2, true])
  })
})

interface HttpCase {
  readonly what: string
  readonly method?: string
  readonly path: string
  readonly headers?: Record<string, string>
  readonly body?: string | Uint8Array<ArrayBuffer>
  readonly status: number
  readonly code: string
  readonly says: RegExp
}

const record = '/v1/series/known/records/5-0'
const range = '/v1/series/known/records'
const bad = (what: string, path: string, says: RegExp): HttpCase => ({ what, path, status: 400, code: 'invalid_argument', says })
const topologyPut = (what: string, body: string, status: number, code: string, says: RegExp): HttpCase => ({
  what,
  method: 'PUT',
  path: '/v1/admin/topology',
  body,
  status,
  code,
  says,
})

const HTTP: readonly HttpCase[] = [
  bad('an id that is none', `${range}/zz`, /^id: "zz" is not <ms>-<seq>/),
  bad('a from that is none', `${range}?from=zz`, /^querystring\.from: id: "zz" is not/),
  bad('bounds the wrong way round', `${range}?from=9&to=3`, /^from: 9-0 is above to/),
  bad('a limit of 0', `${range}?limit=0`, /^querystring\.limit: "0": .*>=1/),
  bad('a limit of words', `${range}?limit=many`, /^querystring\.limit: "many": .*expected number/),
  bad('a direction that is none', `${range}?reverse=maybe`, /^querystring\.reverse: "maybe": .*"true"\|"false"/),
  bad('an unknown parameter', `${range}?frob=1`, /^querystring: .*"frob"/),
  bad('a deadline beyond the bound', `${record}?timeoutMs=99999999`, /^querystring\.timeoutMs: "99999999": .*<=60000/),
  bad('an empty series', '/v1/series//records', /^params\.series: "": .*>=1/),
  bad('a long series', `/v1/series/${long}/records`, /^series: "x+" has 513 bytes/),
  bad('bytes that are no UTF-8', '/v1/series/%ff/records', /^url: .*expected UTF-8, percent-encoded/),
  { what: 'no such record', path: `${range}/6-0`, status: 404, code: 'not_found', says: /series "known" has no record 6-0/ },
  { what: 'no such route', path: '/v2/series', status: 404, code: 'not_found', says: /GET \/v2\/series is no route; \/openapi\.json/ },
  {
    what: 'an ETag that is none',
    method: 'PUT',
    path: record,
    headers: { 'if-match': 'W/"a"' },
    body: 'x',
    status: 400,
    code: 'invalid_argument',
    says: /^headers\.if-match: W\/"a" is not one version/,
  },
  {
    what: 'if-none-match of a version',
    method: 'PUT',
    path: record,
    headers: { 'if-none-match': '"1"' },
    body: 'x',
    status: 400,
    code: 'invalid_argument',
    says: /^headers\.if-none-match: "1" is not \*/,
  },
  {
    what: 'a large value',
    method: 'PUT',
    path: record,
    body: new Uint8Array(1024 * 1024 + 1),
    status: 413,
    code: 'invalid_argument',
    says: /^body: is longer than 1048576 bytes/,
  },
  {
    what: 'no token',
    method: 'PUT',
    path: '/v1/admin/topology',
    headers: { authorization: '' },
    body: '{}',
    status: 401,
    code: 'unauthorized',
    says: /Authorization header is missing/,
  },
  {
    what: 'a wrong token',
    method: 'PUT',
    path: '/v1/admin/topology',
    headers: { authorization: 'Bearer no' },
    body: '{}',
    status: 401,
    code: 'unauthorized',
    says: /not this node’s/,
  },
  topologyPut('no JSON', 'zz', 400, 'invalid_argument', /^body: is not JSON/),
  topologyPut('no topology', '{}', 400, 'invalid_argument', /^topology\.formatVersion: /),
]

/** They leave an entry in the log, and the record as it was. */
const CONDITIONS: readonly HttpCase[] = [
  {
    what: 'ifAbsent',
    method: 'PUT',
    path: record,
    headers: { 'if-none-match': '*' },
    body: 'x',
    status: 412,
    code: 'precondition_failed',
    says: /the record has version 1$/,
  },
  {
    what: 'ifVersion',
    method: 'PUT',
    path: record,
    headers: { 'if-match': '"9"' },
    body: 'x',
    status: 412,
    code: 'precondition_failed',
    says: /the record has version 1$/,
  },
  {
    what: 'ifVersion of nothing',
    method: 'PUT',
    path: `${range}/6-0`,
    headers: { 'if-match': '"9"' },
    body: 'x',
    status: 412,
    code: 'precondition_failed',
    says: /there is no such record$/,
  },
  {
    what: 'ifVersion of a delete',
    method: 'DELETE',
    path: record,
    headers: { 'if-match': '"9"' },
    status: 412,
    code: 'precondition_failed',
    says: /the record has version 1$/,
  },
]

async function ask(
  http: string,
  { method = 'GET', path, headers, body }: HttpCase,
): Promise<{ status: number; answer: Record<string, unknown> }> {
  const response = await fetch(`${http}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, ...headers },
    ...(body === undefined ? {} : { body }),
  })
  return { status: response.status, answer: (await response.json()) as Record<string, unknown> }
}

test('HTTP', async () => {
  await writesNothing(async () => {
    for (const one of HTTP) {
      const { status, answer } = await ask(up.http[0] as string, one)
      assert.deepEqual([status, answer.code, answer.outcome], [one.status, one.code, 'not'], `${one.what}: ${JSON.stringify(answer)}`)
      assert.match(String(answer.message), one.says, one.what)
      assert.ok(String(answer.nextStep).length > 0)
    }
  })
})

test('conditions that do not hold change no record', async () => {
  for (const args of [
    ['put', 'known', '5-0', 'x', '--if-absent'],
    ['put', 'known', '5-0', 'x', '--if-version', '9'],
    ['delete', 'known', '5-0', '--if-version', '9'],
  ]) {
    const { code, stderr } = await up.run(args)
    assert.match(stderr, /known" 5-0: the condition of the write did not hold; the record has version 1\n/)
    assert.equal(code, 4)
  }
  for (const one of CONDITIONS) {
    const { status, answer } = await ask(up.http[0] as string, one)
    assert.deepEqual([status, answer.code, answer.outcome], [one.status, one.code, 'not'], one.what)
    assert.match(String(answer.message), one.says, one.what)
  }
  assert.equal(await up.output('scan', 'known'), '5-0\tas it was\n')
})

test('a topology of the wrong epoch, cluster or shape', async () => {
  const http = up.http[0] as string
  const current = await (await fetch(`${http}/v1/admin/topology`)).text()
  const cases: readonly HttpCase[] = [
    topologyPut(
      'the same epoch, other content',
      current.replace('local-0', 'elsewhere'),
      409,
      'stale_epoch',
      /^topology\.epoch: 1 is in force with other content/,
    ),
    topologyPut('epoch 0', current.replace('"epoch":1', '"epoch":0'), 400, 'invalid_argument', /^topology\.epoch: /),
    topologyPut(
      'another cluster',
      current.replace(up.clusterId, 'a'.repeat(32)),
      409,
      'wrong_cluster',
      /^topology\.clusterId: a{32}; this node belongs to/,
    ),
    topologyPut(
      'another slice duration',
      current.replace('"epoch":1', '"epoch":2').replace('86400000', '3600000'),
      400,
      'invalid_argument',
      /^topology\.sliceDurationMs: 3600000; it cannot change/,
    ),
  ]
  await writesNothing(async () => {
    for (const one of cases) {
      const { status, answer } = await ask(http, one)
      assert.deepEqual([status, answer.code], [one.status, one.code], `${one.what}: ${JSON.stringify(answer)}`)
      assert.match(String(answer.message), one.says, one.what)
    }
    assert.equal(await (await fetch(`${http}/v1/admin/topology`)).text(), current)
    const same = await ask(http, topologyPut('the same', current, 200, '', /./))
    assert.deepEqual([same.status, same.answer], [200, { epoch: 1 }])
  })
})

test('conditions over HTTP: If-None-Match and If-Match, ETags', async () => {
  const url = `${up.http[1]}/v1/series/http/records/1-0`
  const created = await fetch(url, { method: 'PUT', headers: { 'if-none-match': '*' }, body: 'one' })
  const etag = created.headers.get('etag') as string
  assert.equal(created.status, 200)
  assert.equal((await fetch(url, { method: 'PUT', headers: { 'if-none-match': '*' }, body: 'two' })).status, 412)
  assert.equal((await fetch(url, { headers: { 'if-none-match': etag } })).status, 304)
  const changed = await fetch(url, { method: 'PUT', headers: { 'if-match': etag }, body: 'two' })
  assert.equal(changed.status, 200)
  assert.equal((await fetch(url, { method: 'PUT', headers: { 'if-match': etag }, body: 'three' })).status, 412)
  const got = await fetch(url, { headers: { 'if-none-match': etag } })
  assert.deepEqual([await got.text(), got.headers.get('etag')], ['two', changed.headers.get('etag')])
  assert.equal((await fetch(url, { method: 'DELETE', headers: { 'if-match': got.headers.get('etag') as string } })).status, 200)
  assert.equal((await fetch(url)).status, 404)
})

test('the wrong port: a client on the HTTP port, an HTTP caller on the data port', async (t: TestContext) => {
  const onHttp = await runCommand(['get', 'known', '5-0', '--endpoints', (up.http[0] as string).replace('http://', '')])
  assert.notEqual(onHttp.code, 0)
  assert.match(onHttp.stderr, /this port speaks HTTP; clients use the data port/)
  const onData = await fetch(`http://${up.endpoints[0]}/v1/admin/status`).then(
    async (response) => `${response.status} ${await response.text()}`,
    (error: Error) => String(error.cause),
  )
  t.diagnostic(onData)
  assert.match(onData, /400 .*data port.*HTTP/)
})

test('the library refuses before it sends', async () => {
  using client = await connect({ endpoints: up.endpoints })
  const refusals: readonly (readonly [() => Promise<unknown>, RegExp])[] = [
    [() => client.put('', '1-0', 'x'), /^series: "" has 0 bytes/],
    [() => client.put('a', { ms: -1, seq: 0 }, 'x'), /^id: \{ ms: -1, seq: 0 \} is out of range/],
    [() => client.put('a', '1-0', new Uint8Array(1024 * 1024 + 1)), /^value: 1048577 bytes are more than 1048576/],
    [() => client.put('a', '1-0', 5 as unknown as string), /^value: expected a Uint8Array or a string, not number/],
    [() => client.put('a', '1-0', 'x', { timeoutMs: 0 }), /^timeoutMs: 0 is not a number of milliseconds/],
    [() => client.batchWrite('a', []), /^ops: a batch of 0 operations is not within 1 to 1024/],
    [() => client.scanPage('a', { continuation: 'zz' }), /^continuation: id: "zz" is not/],
  ]
  await writesNothing(async () => {
    for (const [call, says] of refusals) {
      await assert.rejects(call(), (error: unknown) => {
        assert.ok(error instanceof ThermoclineError)
        assert.deepEqual([error.code, error.outcome], ['invalid_argument', 'not'])
        assert.match(error.message, says)
        return true
      })
    }
  })
  await assert.rejects(connect({ endpoints: up.endpoints, clusterId: 'a'.repeat(32) }), { code: 'wrong_cluster' })
})
