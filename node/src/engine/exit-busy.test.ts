/** A process or a thread may end while the addon's threads work for it: they finish what they have begun, and nothing else. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const program = fileURLToPath(new URL('exit-busy.fixture.ts', import.meta.url))

for (const ending of ['exit', 'thread']) {
  test(`work under way when a ${ending === 'exit' ? 'process exits' : 'thread is ended'}`, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'exit-'))
    try {
      const { stdout } = await promisify(execFile)(process.execPath, [
        '--disable-warning=ExperimentalWarning',
        program,
        join(folder, 'e'),
        ending,
      ])
      assert.equal(stdout, 'ended')
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
}
