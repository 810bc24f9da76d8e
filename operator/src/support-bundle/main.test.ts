/** The program from its flags to its file, as a process of its own, against servers of plain HTTP. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { text as textOf } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { extract } from 'tar-stream'
import { PLANTED, startFakeApiServer } from './fake-api-server.fixture.ts'

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url))

interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

async function run(folder: string, args: readonly string[], env: Record<string, string> = {}): Promise<Ran> {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', MAIN, ...args], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH ?? '', HOME: folder, ...env },
  })
  const [stdout, stderr] = await Promise.all([textOf(child.stdout), textOf(child.stderr), once(child, 'close')])
  return { code: child.exitCode, stdout, stderr }
}

function makeFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'support-bundle-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

function writeKubeconfig(folder: string, server: string): string {
  const path = join(folder, 'kubeconfig')
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'c', cluster: { server, 'insecure-skip-tls-verify': true } }],
    users: [{ name: 'u', user: { token: PLANTED.credential } }],
    contexts: [
      { name: 'x', context: { cluster: 'c', user: 'u', namespace: 'shop' } },
      { name: 'broken', context: { cluster: 'none', user: 'u' } },
    ],
    'current-context': 'x',
  }
  writeFileSync(path, JSON.stringify(config))
  return path
}

/** Files of the bundle by their path in its one folder; and all its bytes, names included. */
async function unpack(path: string): Promise<{ files: Map<string, string>; raw: string }> {
  const raw = gunzipSync(readFileSync(path))
  const files = new Map<string, string>()
  const folders = new Set<string>()
  const entries = extract()
  entries.on('entry', ({ name }, stream, next) => {
    textOf(stream).then((content) => {
      folders.add(name.split('/')[0] as string)
      files.set(name.slice(name.indexOf('/') + 1), content)
      next()
    }, next)
  })
  Readable.from([raw]).pipe(entries)
  await once(entries, 'finish')
  assert.equal(folders.size, 1)
  return { files, raw: raw.toString('latin1') }
}

interface Result {
  readonly path: string
  readonly collected: number
  readonly failed: number
  readonly leftOut: number
  readonly missing: readonly { readonly path: string; readonly state: string; readonly reason: string }[]
}

const reasonsOf = ({ missing }: Result): Record<string, string> =>
  Object.fromEntries(missing.map(({ path, state, reason }) => [path, `${state}: ${reason}`]))

test('Kubernetes: everything that can be had, every reason for what cannot, and nothing that was planted', async (t) => {
  const folder = makeFolder(t)
  const server = await startFakeApiServer()
  t.after(() => server.close())
  const kubeconfig = writeKubeconfig(folder, server.url)
  const { code, stdout, stderr } = await run(folder, ['--kubeconfig', kubeconfig, '--timeout=500', '--output=b.tar.gz', '--json'])
  assert.equal(code, 0, stderr)
  assert.equal(stderr, '')
  const result = JSON.parse(stdout) as Result
  assert.equal(statSync(result.path).mode & 0o777, 0o600)
  const { files, raw } = await unpack(result.path)

  for (const [where, value] of Object.entries(PLANTED)) {
    const forms = [value, Buffer.from(value).toString('base64')]
    assert.ok(
      forms.some((form) => server.sent().includes(form)),
      `${where} was sent`,
    )
    for (const form of forms) assert.ok(!raw.includes(form), `${where} is in the bundle`)
  }

  const has = (path: string, content: RegExp) => assert.match(files.get(path) ?? '(missing)', content, path)
  const shop = 'namespaces/shop'
  has(`${shop}/poddisruptionbudgets.json`, /"items": \[\]/)
  has('version.json', /"thermocline": "0/)
  has('kubernetes/version.json', /v1\.34\.0/)
  has('kubernetes/customresourcedefinitions/paxosgroups.thermocline.dev.json', /paxosgroups/)
  has(`${shop}/paxosgroups.json`, /"phase": "Ready"/)
  has(`${shop}/statefulsets.json`, /"kind": "StatefulSet"[\s\S]*"name": "EXTRA",\s*"value": "\[left out\]"/)
  has(`${shop}/pods.json`, /orders-g0-2/)
  has(`${shop}/events.txt`, /orders-g0-1\tpull failed: password=\[left out\]/)
  assert.doesNotMatch(files.get(`${shop}/events.json`) ?? '', /redis/)
  assert.deepEqual(JSON.parse(files.get(`${shop}/secret-names.json`) ?? ''), [{ name: 'orders-admin', isThere: true }])
  has(`${shop}/pods/orders-g0-0/node.log`, /"msg":"started"/)
  has(`${shop}/pods/orders-g0-0/status.json`, /serving/)
  has(`${shop}/pods/orders-g0-0/topology.json`, /"epoch":3/)
  has(`${shop}/pods/orders-g0-0/metrics.txt`, /thermocline_up 1/)
  has(`${shop}/pods/orders-g0-1/node.previous.log`, /before the restart/)
  assert.ok(!files.has(`${shop}/pods/orders-g0-0/node.previous.log`))
  has('operator/leases/thermocline-operator.json', /thermocline-operator-1_abc/)
  has('operator/pods/thermocline-operator-1/operator.log', /leads/)
  has('operator/pods/thermocline-operator-1/metrics.txt', /operator_leader 1/)
  assert.doesNotMatch(files.get('operator/pods.json') ?? '', /postgres/)
  has('kubernetes/persistentvolumes.json', /pv1/)
  assert.doesNotMatch(files.get('kubernetes/persistentvolumes.json') ?? '', /pv2/)

  const reasons = reasonsOf(result)
  assert.match(reasons['kubernetes/nodes.json'] ?? '', /^failed: 403 Forbidden: User "u" with Bearer \[left out\] cannot list/)
  assert.match(reasons['operator/secret-names.json'] ?? '', /^failed: 403 Forbidden/)
  assert.match(reasons[`${shop}/pods/orders-g0-1/metrics.txt`] ?? '', /^partial: the answer broke off/)
  for (const file of ['node.log', 'status.json', 'topology.json', 'metrics.txt']) {
    assert.match(reasons[`${shop}/pods/orders-g0-2/${file}`] ?? '', /^failed: 500 InternalError: dial tcp .* no route to host/)
  }
  assert.equal(result.failed, 6, JSON.stringify(result.missing))
  const index = JSON.parse(files.get('index.json') ?? '') as { entries: { path: string }[]; from: string }
  assert.match(index.from, /^Kubernetes, context x at http:\/\/127/)
  // The index has everything but itself.
  const there = index.entries.filter((entry) => 'state' in entry && ['collected', 'partial'].includes(String(entry.state)))
  assert.deepEqual(new Set(there.map(({ path }) => path)), new Set([...files.keys()].filter((path) => !path.startsWith('index.'))))
  has('index.txt', /failed +kubernetes\/nodes\.json\n +list nodes: 403/)
  // Whatever the server sends: data of Secrets was not asked for.
  assert.match(server.accepted.get('/api/v1/namespaces/shop/secrets') ?? '', /as=PartialObjectMetadataList/)
  assert.ok(server.asked.every((path) => !/\/secrets\/./.test(path)))
})

test('Kubernetes: who may not list all namespaces gets the one of the context, and people are told', async (t) => {
  const folder = makeFolder(t)
  const server = await startFakeApiServer({ isListForbidden: true })
  t.after(() => server.close())
  const kubeconfig = writeKubeconfig(folder, server.url)
  const { code, stdout, stderr } = await run(folder, ['--timeout=500'], { KUBECONFIG: kubeconfig })
  assert.equal(code, 0, stderr)
  assert.match(stderr, /^support-bundle: the API server and the definitions\n/)
  assert.match(stderr, /namespace shop: orders/)
  assert.match(stdout, /^thermocline-support-\d{8}-\d{6}\.tar\.gz: \d+ KiB, \d+ items; 7 could not be had, 0 were not asked for\n/)
  assert.match(stdout, /namespaces: 403 Forbidden: .*looked into shop instead/)
  const [file] = readdirSync(folder).filter((name) => name.endsWith('.tar.gz'))
  assert.ok((await unpack(join(folder, file as string))).files.has('namespaces/shop/pods/orders-g0-0/node.log'))
})

test('Kubernetes: a name that nobody has, an operator that is elsewhere', async (t) => {
  const folder = makeFolder(t)
  const server = await startFakeApiServer()
  t.after(() => server.close())
  const args = ['--kubeconfig', writeKubeconfig(folder, server.url), '--timeout=500', '--json']
  const { code, stdout } = await run(folder, [...args, '--name=orderz', '--operator-namespace=elsewhere'])
  const reasons = reasonsOf(JSON.parse(stdout) as Result)
  assert.equal(code, 0)
  assert.match(reasons.namespaces ?? '', /there is no resource named orderz in any namespace.*--name/)
  assert.match(reasons.operator ?? '', /no operator was found in namespace elsewhere; --operator-namespace/)
  assert.ok(server.asked.some((path) => path.includes('instance+in+%28orderz%29')))
})

test('what is wrong with the flags or the kubeconfig is said with what was expected, and leaves no file', async (t) => {
  const folder = makeFolder(t)
  const kubeconfig = writeKubeconfig(folder, 'http://127.0.0.1:1')
  writeFileSync(join(folder, 'odd'), '{]')
  mkdirSync(join(folder, 'a-folder'))
  const before = readdirSync(folder)
  const cases: readonly (readonly [readonly string[], number, RegExp])[] = [
    [[], 2, /--kubeconfig: there is none.*--endpoints or --cluster/],
    [['--kubeconfig=none'], 2, /--kubeconfig: none: there is no such file; expected a kubeconfig/],
    [['--kubeconfig=odd'], 2, /--kubeconfig: odd: cannot be read as a kubeconfig/],
    [['--kubeconfig', kubeconfig, '--context=y'], 2, /--context: "y": expected one of x, broken/],
    [['--kubeconfig', kubeconfig, '--context=broken'], 2, /--context: "broken": names no cluster/],
    [['--kubeconfig', kubeconfig, '--output=a-folder'], 2, /--output: .*a-folder is a directory; expected/],
    [['--kubeconfig', kubeconfig, '--output=odd'], 2, /--output: .*odd is there already; expected/],
    [['--kubeconfig', kubeconfig, '--output=no/such'], 2, /--output: .*cannot be written \(ENOENT/],
    [['--kubeconfig', kubeconfig], 6, /nothing could be collected: GET \/version: .*ECONNREFUSED[\s\S]*kubectl get paxosgroups/],
    [['--nodes', '--node=a=127.0.0.1:1'], 6, /nothing could be collected: .*127\.0\.0\.1:1[\s\S]*--endpoints/],
  ]
  for (const [args, code, says] of cases) {
    const ran = await run(folder, args)
    assert.match(ran.stderr, says, args.join(' '))
    assert.deepEqual([ran.code, ran.stdout], [code, ''], args.join(' '))
  }
  const json = await run(folder, ['--kubeconfig=none', '--json'])
  assert.equal((JSON.parse(json.stderr) as { error: { code: string } }).error.code, 'invalid_argument')
  assert.deepEqual(readdirSync(folder), before)
})

test('without Kubernetes: nodes that answer, one that is not there, a folder with its logs and without its token', async (t) => {
  const folder = makeFolder(t)
  const token = 'f00dcafe'.repeat(8)
  const data = join(folder, 'data')
  mkdirSync(join(data, 'g0-r0', 'log'), { recursive: true })
  writeFileSync(join(data, 'token'), `${token}\n`)
  writeFileSync(join(data, 'cluster.json'), '{"clusterId":"c"}')
  writeFileSync(join(data, 'g0-r0.log'), `first line\n${'x'.repeat(99)}\n`.repeat(60_000))
  writeFileSync(join(data, 'g0-r1.log'), `told ${token}\n`)
  writeFileSync(join(data, 'g0-r0', 'log', 'segment'), 'records of a user')
  const server = createServer((request, response) => response.end(`"${request.url}"`))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  const args = ['--cluster=data', `--node=g0-r0=127.0.0.1:${port}`, '--node=g0-r1=127.0.0.1:1', '--miss=topology=it was asleep', '--json']
  const { code, stdout, stderr } = await run(folder, args)
  assert.equal(code, 0, stderr)
  const result = JSON.parse(stdout) as Result
  const { files, raw } = await unpack(result.path)
  assert.ok(!raw.includes(token) && !raw.includes('records of a user'))
  assert.equal(files.get('nodes/g0-r0/status.json'), '"/v1/admin/status"')
  assert.equal(files.get('cluster/g0-r1.log'), 'told [left out]\n')
  assert.match(files.get('cluster/g0-r0.log') ?? '', /^(?:first line|x{99})\n[\s\S]*x\n$/)
  assert.ok((files.get('cluster/g0-r0.log')?.length ?? 0) <= 4 * 1024 * 1024)
  assert.match(files.get('cluster/files.txt') ?? '', / 17 {2}\S+ {2}g0-r0\/log\/segment\n/)
  assert.match(files.get('machine.json') ?? '', /"totalBytes"/)
  const reasons = reasonsOf(result)
  assert.match(reasons['nodes/g0-r1/status.json'] ?? '', /ECONNREFUSED/)
  assert.match(reasons['cluster/g0-r0.log'] ?? '', /^partial: the last 4194304 of \d+ bytes$/)
  assert.equal(reasons.topology, 'failed: it was asleep')
})

test('ended in the middle it leaves nothing', async (t) => {
  const folder = makeFolder(t)
  const server = createServer(() => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const args = ['--disable-warning=ExperimentalWarning', MAIN, '--nodes', `--node=a=127.0.0.1:${port}`]
  const child = spawn(process.execPath, args, { cwd: folder, stdio: 'ignore' })
  await once(server, 'request')
  assert.equal(readdirSync(folder).length, 1)
  child.kill('SIGINT')
  assert.deepEqual(await once(child, 'exit'), [130, null])
  assert.deepEqual(readdirSync(folder), [])
})

test('a disk without room is said to be one, and nothing is left', async (t) => {
  const folder = makeFolder(t)
  mkdirSync(join(folder, 'data'))
  writeFileSync(join(folder, 'data', 'cluster.json'), '{}')
  writeFileSync(join(folder, 'data', 'a.log'), randomBytes(1_000_000).toString('base64'))
  // A limit on the size of files fails writes as a full disk does.
  const command = 'ulimit -f 100; exec "$@"'
  const args = ['-c', command, 'sh', process.execPath, '--disable-warning=ExperimentalWarning', MAIN, '--cluster=data']
  const child = spawn('sh', args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
  const [stderr] = await Promise.all([textOf(child.stderr), once(child, 'close')])
  assert.equal(child.exitCode, 1)
  assert.match(stderr, /--output: .*\.tar\.gz cannot be written: EFBIG.*is there room\?/)
  assert.deepEqual(readdirSync(folder), ['data'])
})
