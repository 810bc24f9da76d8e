import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { test } from 'node:test'

test('a log on a full volume costs lines, not the process', { skip: process.platform === 'linux' ? false : 'needs /dev/full' }, () => {
  const full = openSync('/dev/full', 'w')
  const program = `
    import pino from 'pino'
    import { logOutput } from ${JSON.stringify(new URL('log-output.ts', import.meta.url))}
    const log = pino({}, logOutput)
    for (let i = 0; i < 3; i++) log.info({}, 'nobody hears this')
    setTimeout(() => process.exit(3), 20)`
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', full, 'pipe'],
    encoding: 'utf8',
    cwd: import.meta.dirname,
  })
  closeSync(full)
  assert.equal(status, 3, stderr)
})
