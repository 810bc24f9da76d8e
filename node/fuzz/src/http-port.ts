/**
 * Requests to the HTTP port of a storage node, byte by byte over real connections: lines, headers, lengths and chunks by the grammar of
 * HTTP, paths and queries by that of the routes. No answer is a bug of the node’s (`internal`), and a plain request is answered afterwards.
 */
import assert from 'node:assert/strict'
import { ByteReader, ByteWriter, Operation, parseTopology, ThermoclineError, type Topology } from '@thermocline/protocol'
import type { Random } from '@thermocline/simulation'
import { allowedHosts } from '../../src/admin/asked-host.ts'
import type { HttpServer } from '../../src/admin/http-app.ts'
import { createHttpServer } from '../../src/admin/http-server.ts'
import type { AdminService, DataService, NodeStatus } from '../../src/admin/ports.ts'
import type { NodeRequest } from '../../src/doors/node-request.ts'
import { quietDoors } from '../../src/doors/quiet-doors.fixture.ts'
import type { OpenedEngine } from '../../src/engine/mod.ts'
import { checkReadBody } from '../../src/kv/read-body.ts'
import { checkWriteBody } from '../../src/kv/write-body.ts'
import { checkEngine, openFilledEngine, READS } from './filled-engine.ts'
import { anyNumber, mutate, orWrong, someBytes } from './numbers.ts'
import type { Protocol, Target } from './protocol.ts'
import { FILLED_SLICES, NAMES, SLICE_MS } from './request-bodies.ts'
import { exchange } from './sockets.ts'

const REQUESTS = 5
const TOKEN = 'the-token-of-the-fuzzer'
const ANSWER_BYTES = 1 << 20
const NOT_FOUND_HERE = 1
const HOST = '127.0.0.1'

const text = new TextEncoder()
const METHODS = ['GET', 'PUT', 'POST', 'DELETE', 'HEAD', 'OPTIONS', 'PATCH', 'TRACE', 'CONNECT', 'get', 'M-SEARCH', '']
const PLAIN_ROUTES = [
  '/healthz',
  '/readyz',
  '/metrics',
  '/openapi.json',
  '/v1/admin/status',
  '/v1/admin/digests',
  '/v1/admin/topology',
  '/v1/admin/volume/set-aside',
]
const QUERIES = ['from', 'to', 'limit', 'reverse', 'timeoutMs', 'after', 'waitMs', 'x', '__proto__', 'constructor', '%00', 'from[]', '']
const HEADERS = [
  'content-type',
  'accept',
  'if-match',
  'if-none-match',
  'authorization',
  'origin',
  'sec-fetch-site',
  'host',
  'expect',
  'connection',
  'transfer-encoding',
  'content-length',
  'range',
  'upgrade',
  'x'.repeat(300),
]
const HEADER_VALUES = [
  'application/json',
  'application/x-ndjson',
  '*',
  '"1"',
  '"99999999999999999999"',
  `Bearer ${TOKEN}`,
  'bearer',
  `http://${HOST}`,
  'cross-site',
  'same-origin',
  '100-continue',
  'keep-alive',
  'close',
  'chunked',
  'chunked, chunked',
  '0',
  '-1',
  '4294967296',
  'bytes=0-1',
  'websocket',
  '',
]

const TOPOLOGY: Topology = parseTopology({
  formatVersion: 1,
  clusterId: 'c1'.repeat(16),
  epoch: 1,
  groups: [
    {
      group: 0,
      replicas: [0, 1, 2].map((slot) => ({
        replica: slot,
        data: `${HOST}:${7400 + 10 * slot}`,
        http: `${HOST}:${7401 + 10 * slot}`,
        incarnation: { number: 0, nonce: '0123456789abcdef' },
      })),
    },
  ],
})

const STATUS: NodeStatus = {
  role: 'storage',
  version: '0.1.0',
  state: 'serving',
  reason: undefined,
  clusterId: TOPOLOGY.clusterId,
  group: 0,
  replica: 0,
  incarnation: { number: 0, nonce: '0123456789abcdef' },
  boot: 1,
  standing: 'voter',
  mode: 'Voter',
  learner: undefined,
  epoch: 1,
  uptimeMs: 1,
  addresses: { data: `${HOST}:7400`, http: `${HOST}:7401` },
  blocks: { known: 1, open: 0, behind: 0 },
  chosenTotal: 1,
  peers: [],
  writes: { state: 'accepted' },
  log: { segments: 1, bytes: 4096, writeNumber: 1 },
  memory: { limitBytes: 1e9, rssBytes: 1e8 },
  counters: {},
  gauges: {},
}

/** A node that takes no topology, and has nothing to set aside. */
const admin: AdminService = {
  status: () => STATUS,
  setVolumeAside: () => Promise.reject(new ThermoclineError('invalid_argument', 'the volume is its own')),
  digests: () => [{ block: 4, index: 9, digest: '00000000000000ff' }],
  topology: () => TOPOLOGY,
  installTopology: () => Promise.reject(new ThermoclineError('stale_epoch', 'not newer')),
  watchTopology: async () => undefined,
}

/** Answers reads from the engine; writes are checked, and answered as if they were made. */
class EngineData implements DataService {
  private readonly engine: OpenedEngine
  private readonly out = new Uint8Array(ANSWER_BYTES)

  constructor(engine: OpenedEngine) {
    this.engine = engine
  }

  submit(request: NodeRequest): void {
    const { operation, body } = request
    const w = new ByteWriter(64)
    if (operation === Operation.stamps) {
      for (let { remaining } = new ByteReader(body, 2); remaining > 1; remaining -= 2) w.u48(5)
      request.reply(0, w.written())
      return
    }
    if (operation === Operation.write) {
      assert.equal(typeof checkWriteBody(body), 'object', 'a write of the HTTP port is malformed')
      w.u48(6)
      w.u48(0)
      w.u16(0)
      request.reply(0, w.written())
      return
    }
    const name = READS[operation] as 'get'
    const verdict = checkReadBody(operation, body)
    assert.equal(typeof verdict, 'number', 'a read of the HTTP port is malformed')
    const length = this.engine[name](verdict as number, body, 0, body.length, this.out, 0)
    if (length >= 0) {
      request.reply(0, this.out.subarray(0, length))
      return
    }
    w.u48(0)
    w.u48(0)
    w.u16(0)
    request.reply(NOT_FOUND_HERE, w.written())
  }
}

function anyPath(random: Random): string {
  if (random.chance(0.25)) return random.pick(PLAIN_ROUTES)
  const series = random.chance(0.8) ? new TextDecoder().decode(random.pick(NAMES)) : oddText(random)
  const id = anyIdText(random)
  const all = `/v1/series/${random.chance(0.9) ? encodeURIComponent(series.toWellFormed()) : series}/records`
  const path = random.chance(0.6) ? `${all}/${id}` : all
  return random.chance(0.05) ? path + random.pick(['/', '//', '/..', '%2f', '?', '#', '%', '%zz', '\\', '*']) : path
}

function anyIdText(random: Random): string {
  const ms = random.chance(0.7) ? random.below(FILLED_SLICES * SLICE_MS) : anyNumber(random, random.pick([48, 53]))
  const id = random.pick([`${ms}`, `${ms}-${anyNumber(random, 16)}`, `${ms}-0`])
  return random.chance(0.95) ? id : random.pick([`-${id}`, `${id}-1`, `0x${id}`, '1e9', 'NaN', '', `${id}.5`, '9'.repeat(400), ' 1'])
}

const oddText = (random: Random): string =>
  random.pick([
    '',
    '.',
    '..',
    '__proto__',
    'é'.repeat(257),
    's'.repeat(512),
    's'.repeat(513),
    '\u0000',
    '😀',
    '%',
    'a/b',
    "'",
    '"',
    '%ff',
    '%c0%80',
  ])

function anyQuery(random: Random): string {
  const parts = Array.from({ length: random.below(4) }, () => {
    const value = random.chance(0.6)
      ? anyIdText(random)
      : random.pick(['true', 'false', '0', '1', '4294967296', '-1', 'null', '%00', '[]', ''])
    return `${random.pick(QUERIES)}=${value}`
  })
  // Without a deadline of its own a request of a stream waits for ten seconds where the engine cannot answer it.
  return parts.length === 0 ? '' : `?${parts.join(random.chance(0.95) ? '&' : ';')}`
}

function anyBody(random: Random): { headers: string; bytes: Uint8Array } {
  const bytes = random.chance(0.2)
    ? text.encode(random.pick(['{}', '[]', '{"__proto__":{}}', 'null', '{"epoch":2', JSON.stringify(TOPOLOGY)]))
    : someBytes(random, random.below(60))
  if (random.chance(0.5)) return { headers: '', bytes: new Uint8Array(0) }
  if (random.chance(0.7)) return { headers: `content-length: ${orWrong(random, bytes.length, random.pick([6, 20, 32]))}\r\n`, bytes }
  const size = orWrong(random, bytes.length, random.pick([6, 32])).toString(16)
  const chunks = Buffer.concat([text.encode(`${size}${random.chance(0.1) ? ';x=y' : ''}\r\n`), bytes, text.encode('\r\n0\r\n\r\n')])
  return { headers: 'transfer-encoding: chunked\r\n', bytes: chunks }
}

function anyRequest(random: Random): Uint8Array {
  const method = random.chance(0.9) ? random.pick(METHODS.slice(0, 4)) : random.pick(METHODS)
  const { headers, bytes } = anyBody(random)
  const version = random.chance(0.98) ? 'HTTP/1.1' : random.pick(['HTTP/1.0', 'HTTP/2.0', 'HTTP/9.9', '', 'http/1.1'])
  let lines = `${method} ${anyPath(random)}${anyQuery(random)} ${version}\r\n`
  if (random.chance(0.98))
    lines += `host: ${random.chance(0.95) ? HOST : random.pick(['evil.example', '', '[::1]', '127.0.0.1:99999999'])}\r\n`
  for (let more = random.below(4); more > 0; more--) {
    // Of a route that takes a token it comes right, often.
    if (random.chance(0.2)) lines += `authorization: Bearer ${TOKEN}\r\n`
    else if (random.chance(0.3)) lines += `${random.pick(HEADERS)}: ${random.pick(HEADER_VALUES)}\r\n`
  }
  const whole = Uint8Array.from(Buffer.concat([Buffer.from(`${lines}${headers}\r\n`, random.chance(0.5) ? 'utf8' : 'latin1'), bytes]))
  return random.chance(0.1) ? mutate(random, whole) : whole
}

class HttpPort implements Target {
  private readonly random: Random
  private readonly engine: OpenedEngine
  private readonly http: HttpServer
  private readonly port: number

  constructor(random: Random, engine: OpenedEngine, http: HttpServer, port: number) {
    this.random = random
    this.engine = engine
    this.http = http
    this.port = port
  }

  async run(): Promise<void> {
    const pieces = Array.from({ length: REQUESTS }, () => anyRequest(this.random))
    const answer = new TextDecoder('latin1').decode(await exchange(this.port, pieces))
    if (/HTTP\/1\.1 500 |"code":"internal"/.test(answer)) throw new Error(`an answer says that the node has a bug: ${answer}`)
  }

  async check(): Promise<void> {
    const name = new TextDecoder().decode(NAMES[0])
    const request = `GET /v1/series/${name}/records/1-0 HTTP/1.1\r\nhost: ${HOST}\r\nconnection: close\r\n\r\n`
    const answer = new TextDecoder().decode(await exchange(this.port, [text.encode(request)]))
    assert.match(answer, /^HTTP\/1\.1 200 /, 'a plain request is not answered')
    await checkEngine(this.engine)
  }

  async close(): Promise<void> {
    await this.http.close()
    await this.engine.close()
  }
}

async function open(random: Random): Promise<Target> {
  const engine = await openFilledEngine()
  const http = await createHttpServer({
    data: new EngineData(engine),
    admin,
    randomHex: (bytes) => random.hex(bytes),
    token: TOKEN,
    doors: quietDoors(),
    hosts: allowedHosts(`${HOST}:0`, []),
  })
  const address = await http.listen(`${HOST}:0`)
  return new HttpPort(random, engine, http, Number(address.split(':').at(-1)))
}

export const httpPort: Protocol = { name: 'http-port', weight: 4, inputsPerRun: REQUESTS, runsPerEpisode: 1000, open }
