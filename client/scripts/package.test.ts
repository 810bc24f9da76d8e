/** Packs the client, installs the tarball in a folder of its own and uses it there: as JavaScript, and by its types. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { test } from 'node:test'

const root = resolve(import.meta.dirname, '../..')

const program = `
import { connect, parseRecordId, ThermoclineError } from '@thermocline/client'
import { startCluster } from '@thermocline/client/testing'
if (parseRecordId('5-6').seq !== 6 || typeof startCluster !== 'function') throw new Error('exports are wrong')
try {
  await connect({ endpoints: ['127.0.0.1:1'], connectTimeoutMs: 100 })
} catch (error) {
  if (!(error instanceof ThermoclineError)) throw error
  console.log(error.code)
}
`

const typed = `
import { type Client, connect, type StoredRecord } from '@thermocline/client'
import { startCluster } from '@thermocline/client/testing'
const client: Client = await connect({ endpoints: (await startCluster()).endpoints })
const { version }: { version: number } = await client.put('series', '1-0', 'value', { ifAbsent: true })
for await (const record of client.scan('series', { limit: version })) { const one: StoredRecord = record; console.log(one.id) }
`

test('the packed tarball works elsewhere, without the repository', { timeout: 120_000 }, (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'thermocline-client-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const tarball = execFileSync(process.execPath, [join(root, 'client/scripts/build.ts'), '--pack', folder], { encoding: 'utf8' }).trim()
  writeFileSync(join(folder, 'package.json'), '{"private":true,"type":"module"}')
  // What it depends on comes from this repository's own installation: a test must not hang on a registry.
  const dependencies = ['xxhash-wasm', 'zod'].map((name) => join(root, 'node_modules', name))
  const npm = ['install', '--offline', '--install-links', '--ignore-scripts', '--loglevel=error', tarball, ...dependencies]
  execFileSync('npm', npm, { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] })
  assert.deepEqual(
    readdirSync(join(folder, 'node_modules'))
      .filter((name) => !name.startsWith('.'))
      .sort(byName),
    ['@thermocline', 'xxhash-wasm', 'zod'],
  )
  assert.deepEqual(readdirSync(join(folder, 'node_modules/@thermocline')), ['client'])
  writeFileSync(join(folder, 'program.js'), program)
  assert.equal(execFileSync(process.execPath, ['program.js'], { cwd: folder, encoding: 'utf8' }).trim(), 'unavailable')
  writeFileSync(join(folder, 'typed.ts'), typed)
  const options = ['--noEmit', '--strict', '--target', 'es2024', '--module', 'nodenext', '--typeRoots', join(root, 'node_modules/@types')]
  execFileSync(join(root, 'node_modules/.bin/tsc'), [...options, '--types', 'node', '--lib', 'es2024,esnext.disposable', 'typed.ts'], {
    cwd: folder,
    stdio: 'inherit',
  })
})

function byName(a: string, b: string): number {
  return a < b ? -1 : 1
}
