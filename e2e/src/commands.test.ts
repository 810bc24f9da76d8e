/** Every client command against a running cluster, as lines for people and as JSON for programs. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { connect } from '@thermocline/client'
import { runCommand } from './command.ts'
import { EXECUTABLE } from './executable.ts'
import { makeTemporaryFolder } from './temporary-folder.ts'
import { Up } from './up.ts'

let up: Up
before(async () => {
  up = await Up.fresh()
})
after(() => up.stop())

test('put and get: a value as it is, in text and in JSON', async () => {
  assert.match(await up.output('put', 'alice', '5-0', 'hello'), /^version 1\n$/)
  assert.equal(await up.output('get', 'alice', '5-0'), 'hello')
  assert.deepEqual(await up.json('get', 'alice', '5'), [
    { series: 'alice', id: '5-0', version: 1, value: Buffer.from('hello').toString('base64'), text: 'hello' },
  ])
})

test('put: bytes from a file and from standard input come back byte by byte', async () => {
  const bytes = Buffer.from(Array.from({ length: 70_000 }, (_, at) => (at * 7) % 256))
  const file = join(makeTemporaryFolder(), 'value')
  writeFileSync(file, bytes)
  await up.output('put', 'bytes', '1-0', '--file', file)
  const fromStdin = await up.run(['put', 'bytes', '2-0'], { stdin: bytes })
  assert.equal(fromStdin.code, 0, fromStdin.stderr)
  for (const id of ['1-0', '2-0']) {
    const [record] = await up.json('get', 'bytes', id)
    assert.ok(Buffer.from(String(record?.value), 'base64').equals(bytes))
    assert.equal(record?.text, undefined)
  }
})

test('get: a record that is not there is exit code 3', async () => {
  const { code, stdout, stderr } = await up.run(['get', 'alice', '404-0'])
  assert.deepEqual([code, stdout], [3, ''])
  assert.match(stderr, /series "alice" has no record 404-0/)
})

test('append: ids grow, and are printed', async () => {
  const ids: number[] = []
  for (const value of ['one', 'two', 'three']) ids.push(Number((await up.output('append', 'log', value)).split('-')[0]))
  assert.deepEqual(
    ids,
    ids.toSorted((a, b) => a - b),
  )
  assert.equal((await up.output('scan', 'log')).trimEnd().split('\n').length, 3)
})

test('delete: says whether there was a record', async () => {
  await up.output('put', 'gone', '1-0', 'x')
  assert.equal(await up.output('delete', 'gone', '1-0'), 'removed\n')
  assert.equal(await up.output('delete', 'gone', '1-0'), 'there was no such record\n')
  assert.equal(await up.output('scan', 'gone'), '')
})

test('conditions: ifAbsent and ifVersion, exit code 4 with the current version', async () => {
  const [first] = await up.json('put', 'cas', '1-0', 'a', '--if-absent')
  const refused = await up.run(['put', 'cas', '1-0', 'b', '--if-absent', '--json'])
  assert.equal(refused.code, 4)
  const { error } = JSON.parse(refused.stderr) as { error: Record<string, unknown> }
  assert.deepEqual([error.code, error.outcome, error.currentVersion], ['precondition_failed', 'not', first?.version])
  const [second] = await up.json('put', 'cas', '1-0', 'c', '--if-version', String(first?.version))
  assert.equal((await up.run(['delete', 'cas', '1-0', '--if-version', String(first?.version)])).code, 4)
  assert.equal(await up.output('get', 'cas', '1-0'), 'c')
  await up.output('delete', 'cas', '1-0', '--if-version', String(second?.version))
  const absent = await up.run(['put', 'cas', '1-0', 'd', '--if-version', '1'])
  assert.deepEqual([absent.code, /there is no such record/.test(absent.stderr)], [4, true])
})

test('scan: both directions, bounds and limit', async () => {
  for (let ms = 1; ms <= 9; ms++) await up.output('put', 'range', `${ms}-0`, `v${ms}`)
  const ids = async (...args: string[]) => (await up.json('scan', 'range', ...args)).map(({ id }) => String(id).split('-')[0]).join('')
  assert.equal(await ids(), '987654321')
  assert.equal(await ids('--oldest-first'), '123456789')
  assert.equal(await ids('--from', '3', '--to', '6'), '6543')
  assert.equal(await ids('--from', '3', '--to', '6', '--oldest-first'), '3456')
  assert.equal(await ids('--to', '6', '--limit', '2'), '65')
  assert.equal(await ids('--from', '3-0', '--oldest-first', '--limit', '2'), '34')
  assert.equal(await up.output('scan', 'range', '--limit', '1'), '9-0\tv9\n')
})

test('scan: a reader that stops early ends it with exit code 0', async () => {
  using client = await connect({ endpoints: up.endpoints })
  for (let part = 0; part < 20; part++) {
    const ops = Array.from({ length: 1000 }, (_, at) => ({ type: 'put' as const, id: `${part}-${at}`, value: 'x'.repeat(100) }))
    await client.batchWrite('long', ops)
  }
  const child = spawn(EXECUTABLE, ['scan', 'long', '--endpoints', up.endpoints.join(',')], { stdio: ['ignore', 'pipe', 'inherit'] })
  child.stdout.once('data', () => child.stdout.destroy())
  assert.deepEqual(await once(child, 'exit'), [0, null])
})

test('batchWrite through the client: all or none', async () => {
  using client = await connect({ endpoints: up.endpoints })
  const put = (id: string, extra = {}) => ({ type: 'put' as const, id, value: id, ...extra })
  await client.batchWrite('batch', [put('1-0'), put('2-0'), put('3-0')])
  const refused = client.batchWrite('batch', [put('4-0'), put('2-0', { ifAbsent: true })])
  await assert.rejects(refused, { code: 'precondition_failed', outcome: 'not' })
  await client.batchWrite('batch', [{ type: 'delete', id: '1-0' }, put('5-0')])
  assert.deepEqual(
    (await up.json('scan', 'batch')).map(({ id }) => id),
    ['5-0', '3-0', '2-0'],
  )
})

test('status: every replica serves, for people and as JSON', async () => {
  const text = await up.output('status')
  for (const replica of [0, 1, 2]) assert.match(text, new RegExp(`g0-r${replica} +serving +Voter +1 .* 2/2 +accepted`))
  const [status] = (await up.json('status')) as unknown as { clusterId: string; replicas: { facts: { state: string } }[] }[]
  assert.equal(status?.clusterId, up.clusterId)
  assert.deepEqual(
    status?.replicas.map(({ facts }) => facts.state),
    ['serving', 'serving', 'serving'],
  )
})

test('topology: the document that is in force', async () => {
  const [topology] = await up.json('topology')
  assert.deepEqual([topology?.clusterId, topology?.epoch], [up.clusterId, 1])
})

test('bench: a short run of each mode has figures and no errors', async () => {
  for (const mode of ['put', 'get', 'mixed', 'batchput', 'batchget', 'scan']) {
    const [result] = await up.json('bench', '--mode', mode, '--seconds', '1', '--warmup', '0', '--series', '20', '--clients', '16')
    assert.deepEqual([result?.mode, result?.errors], [mode, {}])
    assert.ok(Number(result?.calls) > 0 && Number(result?.p99Ms) > 0)
  }
  assert.match(await up.output('bench', '--seconds', '1', '--warmup', '0', '--series', '5'), /calls\/s.*\nlatency ms: p50/)
})

test('completion: scripts that their shells take', async () => {
  const { code, stderr } = await runCommand(['completion', 'bash'])
  assert.equal(code, 0, stderr)
  for (const shell of ['bash', 'zsh', 'fish']) assert.match(await up.output('completion', shell), /thermocline/)
  assert.equal((await runCommand(['completion', 'tcsh'])).code, 2)
})

test('help: every command explains itself', async () => {
  const { stdout } = await runCommand(['--help'])
  const commands = ['up', 'get', 'put', 'append', 'delete', 'scan', 'import', 'bench', 'status', 'topology', 'support-bundle', 'completion']
  for (const command of [...commands, 'node', 'inspect']) assert.match(stdout, new RegExp(`^  ${command}\\b`, 'm'))
  for (const command of commands) assert.equal((await runCommand([command, '--help'])).code, 0)
})
