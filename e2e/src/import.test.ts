/** `thermocline import`: formats, rejects, and an importer that is killed half way. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { readBack } from './agreement.ts'
import { EXECUTABLE } from './executable.ts'
import { makeTemporaryFolder } from './temporary-folder.ts'
import { Up } from './up.ts'

let up: Up
const folder = makeTemporaryFolder()
before(async () => {
  up = await Up.fresh()
})
after(() => up.stop())

interface Figures {
  readonly records: number
  readonly rejected: number
  readonly lines: number
  readonly rejects: string | null
}

async function importFile(...args: readonly string[]): Promise<Figures> {
  const [figures] = await up.json('import', ...args)
  return figures as unknown as Figures
}

test('NDJSON: the whole line is the value; lines that are no records are kept with their number and reason', async () => {
  const file = join(folder, 'events.ndjson')
  const lines = [
    '{"who":"a","at":1000,"n":1}',
    'not json',
    '{"who":"a","at":1000,"n":2}',
    '{"who":"b"}',
    '[1]',
    '',
    '{"who":"b","at":"2024-01-01","n":3}',
  ]
  writeFileSync(file, lines.join('\n'))
  const { records, rejected, rejects } = await importFile(file, '--series', 'who', '--time', 'at')
  assert.deepEqual([records, rejected, rejects], [3, 3, `${file}.rejects`])
  const kept = readFileSync(`${file}.rejects`, 'utf8').trimEnd().split('\n')
  assert.deepEqual(
    kept.map((line) => (JSON.parse(line) as { line: number }).line),
    [2, 4, 5],
  )
  assert.match(kept[1] ?? '', /field at is missing/)
  assert.equal(await up.output('scan', 'a', '--oldest-first'), `1000-0\t${lines[0]}\n1000-1\t${lines[2]}\n`)
  assert.equal(await up.output('get', 'b', `${Date.parse('2024-01-01')}-0`), lines[6])
  assert.ok(!existsSync(`${file}.import-state`))
})

test('CSV: columns by name, quotes, seconds', async () => {
  const file = join(folder, 'sales.csv')
  writeFileSync(file, 'day,shop,amount\n10,"north, old",3\n11,south,"4 ""net"""\n')
  const { records } = await importFile(file, '--series', '=sales', '--time', 'day', '--time-unit', 's', '--value', 'amount')
  assert.equal(records, 2)
  assert.equal(await up.output('scan', 'sales'), '11000-0\t4 "net"\n10000-0\t3\n')
  await importFile(file, '--series', 'shop', '--time', 'day')
  assert.equal(await up.output('get', 'north, old', '10-0'), '{"day":"10","shop":"north, old","amount":"3"}')
})

test('standard input, twice: the same records', async () => {
  const stdin = Array.from({ length: 1000 }, (_, n) => JSON.stringify({ t: Math.floor(n / 10), n })).join('\n')
  const args = ['import', '-', '--series', '=stdin', '--time', 't', '--value', 'n', '--json', '--rejects', join(folder, 'stdin.rejects')]
  for (let time = 0; time < 2; time++) {
    const { code, stdout, stderr } = await up.run(args, { stdin })
    assert.equal(code, 0, stderr)
    assert.equal((JSON.parse(stdout) as Figures).records, 1000)
  }
  const values = (await up.json('scan', 'stdin', '--oldest-first')).map(({ text }) => Number(text))
  assert.deepEqual(
    values,
    Array.from({ length: 1000 }, (_, n) => n),
  )
})

test('an importer that is killed goes on where it was: every record once, each replica has all', async (t: TestContext) => {
  const file = join(folder, 'big.ndjson')
  const expected = new Map<string, Map<string, string>>()
  const lines: string[] = []
  for (let n = 0; n < 150_000; n++) {
    const line = JSON.stringify({ s: `big-${n % 50}`, t: 1_700_000_000_000 + Math.floor(n / 200), n, pad: 'x'.repeat(60) })
    lines.push(n % 1000 === 999 ? 'broken' : line)
  }
  const counts = new Map<string, number>()
  for (const line of lines) {
    if (line === 'broken') continue
    const { s, t: ms } = JSON.parse(line) as { s: string; t: number }
    const seq = counts.get(`${s} ${ms}`) ?? 0
    counts.set(`${s} ${ms}`, seq + 1)
    const records = expected.get(s) ?? new Map<string, string>()
    expected.set(s, records.set(`${ms}-${seq}`, line))
  }
  writeFileSync(file, `${lines.join('\n')}\n`)
  const args = ['import', file, '--series', 's', '--time', 't', '--json', '--endpoints', up.endpoints.join(',')]
  const first = spawn(EXECUTABLE, args, { stdio: 'ignore' })
  const ended = once(first, 'exit')
  while (!existsSync(`${file}.import-state`) && first.exitCode === null) await delay(10)
  first.kill('SIGKILL')
  await ended
  const { line } = JSON.parse(readFileSync(`${file}.import-state`, 'utf8')) as { line: number }
  t.diagnostic(`killed; the state file names line ${line} of ${lines.length}`)
  assert.ok(line > 0 && line < lines.length)
  const { records, rejected } = await importFile(file, '--series', 's', '--time', 't')
  assert.deepEqual([records, rejected], [149_850, 150])
  assert.equal(readFileSync(`${file}.rejects`, 'utf8').trimEnd().split('\n').length, 150)
  for (const http of up.http) assert.equal(await readBack(http, expected), 149_850)
})

test('an input that changed, or other fields, do not go on from an old state', async () => {
  const file = join(folder, 'changed.ndjson')
  const state = `${file}.import-state`
  writeFileSync(file, '{"s":"c","t":1}\n{"s":"c","t":2}\n')
  const mapping = JSON.stringify({ format: 'ndjson', series: 's', time: 't', timeUnit: 'ms' })
  const checkpoint = { formatVersion: 1, mapping, offset: 16, line: 1, records: 1, rejected: 0, hash: '0000000000000000' }
  writeFileSync(state, JSON.stringify(checkpoint))
  const changed = await up.run(['import', file, '--series', 's', '--time', 't'])
  assert.equal(changed.code, 2)
  assert.match(changed.stderr, /the input differs from what was imported up to byte 16; remove the state file/)
  const other = await up.run(['import', file, '--series', 's', '--time', 't', '--value', 't'])
  assert.equal(other.code, 2)
  assert.match(other.stderr, /--state: .* is of an import with other fields/)
  assert.equal(await up.output('scan', 'c'), '')
})
