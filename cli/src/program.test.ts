import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Histogram } from './bench/histogram.ts'
import { completionScript } from './commands/completion.ts'
import { buildProgram } from './program.ts'
import { formatBytes, formatSpan } from './report.ts'
import { formatTable } from './table.ts'

const main = fileURLToPath(new URL('main.ts', import.meta.url))

function thermocline(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--disable-warning=ExperimentalWarning', main, ...args], {
    encoding: 'utf8',
  })
  return { status, stdout, stderr }
}

test('wrong usage exits with 2 and says what there is; no cluster exits with 6 and says how to start one', () => {
  const misspelt = thermocline('gte', 'a', '1')
  assert.equal(misspelt.status, 2)
  assert.match(misspelt.stderr, /Did you mean get\?/)
  const id = thermocline('get', 'a', '1', '--endpoints', 'nowhere')
  assert.deepEqual([id.status, /host:port/.test(id.stderr)], [2, true])
  const none = thermocline('get', 'a', '1', '--endpoints', '127.0.0.1:1', '--timeout', '200', '--json')
  assert.equal(none.status, 6)
  const { error } = JSON.parse(none.stderr) as { error: { code: string; message: string } }
  assert.deepEqual([error.code, /thermocline up/.test(error.message)], ['unavailable', true])
  assert.equal(thermocline('--version').status, 0)
})

test('completion knows every command and option', () => {
  const program = buildProgram()
  for (const shell of ['bash', 'zsh', 'fish']) {
    const script = completionScript(program, shell)
    for (const command of program.commands) assert.ok(script.includes(command.name()))
    assert.match(script, /ephemeral/)
  }
  assert.throws(() => completionScript(program, 'tcsh'), { code: 'invalid_argument' })
  const checked = spawnSync('bash', ['-n'], { input: completionScript(program, 'bash') })
  assert.equal(checked.status, 0)
})

test('figures are for people', () => {
  assert.deepEqual([formatBytes(12), formatBytes(1536), formatBytes(512 * 1024 ** 2)], ['12 B', '1.5 KiB', '512 MiB'])
  assert.deepEqual([formatSpan(4200), formatSpan(200_000), formatSpan(7_500_000)], ['4 s', '3 min 20 s', '2 h 5 min'])
  assert.equal(
    formatTable(
      [{ title: 'a' }, { title: 'n', right: true }],
      [
        ['xyz', '5'],
        ['x', '10'],
      ],
    ),
    'a      n\nxyz    5\nx     10',
  )
})

test('quantiles are within 4 % of the exact ones', () => {
  const histogram = new Histogram()
  for (let us = 1; us <= 100_000; us++) histogram.add(us)
  for (const q of [0.01, 0.5, 0.99, 0.999]) {
    const exact = q * 100_000
    assert.ok(Math.abs(histogram.quantile(q) - exact) <= exact * 0.04, `${q}: ${histogram.quantile(q)}`)
  }
  assert.equal(histogram.quantile(1), 100_000)
})
