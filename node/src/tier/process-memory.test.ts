/**
 * What a memory node's process takes beside its cache's file does not grow with the pages: index, entries and their ages stand in the
 * file. The bound is what docs/memory-tier.md tells people to leave room for.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const CACHE_BYTES = 128 * 1024 * 1024
const PAGES = 12_000 * 64
const LEAST_HELD = 600_000
/** Scratch, and what JavaScript takes here: 64 bytes for each page would be more. */
const MOST_BYTES = 36 * 1024 * 1024

const PROGRAM = fileURLToPath(new URL('./fill-tier.fixture.ts', import.meta.url))
const LARGE_PROGRAM = fileURLToPath(new URL('./answer-large.fixture.ts', import.meta.url))
/** Answers and requests take 64 MiB at a time there, several times. */
const MOST_KEPT_BYTES = 32 * 1024 * 1024
const folder = mkdtempSync(join(tmpdir(), 'tier-memory-'))
after(() => rmSync(folder, { recursive: true, force: true }))

test('what the process takes beside the file is bounded, however many pages there are', async (t) => {
  const path = join(folder, 'pages')
  // The garbage of what plays the storage tier here is kept small, or it would be most of what is measured.
  const flags = ['--disable-warning=ExperimentalWarning', '--max-semi-space-size=1']
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, PROGRAM, path, String(PAGES), String(CACHE_BYTES)])
  const { grown, pages, bytes } = JSON.parse(stdout) as { grown: number; pages: number; bytes: number }
  t.diagnostic(`${pages} pages, ${bytes} bytes of the file; the process grew by ${grown} bytes`)
  assert.ok(pages >= LEAST_HELD, `${pages} pages are held`)
  assert.ok(grown <= MOST_BYTES, `${grown} bytes`)
  assert.equal(statSync(path).size, CACHE_BYTES)
})

test('what large answers and large requests took is given back', async (t) => {
  const flags = ['--disable-warning=ExperimentalWarning', '--expose-gc']
  // What is free goes back to the system at once: how much the allocator keeps of it is chance.
  const env = { ...process.env, MALLOC_MMAP_THRESHOLD_: '131072' }
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, LARGE_PROGRAM], { env })
  const { kept } = JSON.parse(stdout) as { kept: number }
  t.diagnostic(`the process keeps ${kept} bytes`)
  assert.ok(kept <= MOST_KEPT_BYTES, `${kept} bytes`)
})
