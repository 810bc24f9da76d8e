/** The version cache's file, damaged between two processes: what a damaged entry says is never answered. */
import assert from 'node:assert/strict'
import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { blockOf } from '@thermocline/protocol'
import type { Random } from '@thermocline/simulation'
import { createMemoryStore, type MemoryStore, openEngine } from '../../src/engine/mod.ts'
import { pageVersionsRequest, readBody, readVersions } from '../../src/engine/model.ts'
import { checkEngine, engineOptions, fillEngine, flush } from './filled-engine.ts'
import { anyNumber } from './numbers.ts'
import type { Protocol, Target } from './protocol.ts'
import { FILLED_SLICES, NAMES } from './request-bodies.ts'
import { scratchFolder } from './scratch-folder.ts'

const HEADER_BYTES = 64
const SLICES = Array.from({ length: FILLED_SLICES + 2 }, (_, slice) => slice)

class VersionCacheFile implements Target {
  private readonly random: Random
  private readonly store: MemoryStore
  private readonly path: string
  /** Of each name, the versions of its pages. */
  private readonly versions: readonly (readonly number[])[]

  constructor(random: Random, store: MemoryStore, path: string, versions: readonly (readonly number[])[]) {
    this.random = random
    this.store = store
    this.path = path
    this.versions = versions
  }

  async run(): Promise<void> {
    this.damage()
    await this.check()
  }

  private damage(): void {
    const { random } = this
    const file = openSync(this.path, 'r+')
    const { size } = fstatSync(file)
    const bytes = Buffer.alloc(8)
    for (let times = 1 + random.below(20); times > 0; times--) {
      const at = random.below(random.chance(0.2) ? HEADER_BYTES : size - 8)
      if (random.chance(0.5)) bytes.writeUIntLE(anyNumber(random, 48), 0, 6)
      // Another entry, or a part of one.
      else readSync(file, bytes, 0, 8, random.below(size / 8) * 8)
      writeSync(file, bytes, 0, random.pick([1, 4, 8]), at)
    }
    closeSync(file)
  }

  /** The pages' versions are what they were. */
  async check(): Promise<void> {
    const engine = openEngine({ ...engineOptions, versionCachePath: this.path }, this.store)
    for (const [at, series] of NAMES.entries()) {
      const body = await readBody(engine, 'pageVersions', blockOf(series), pageVersionsRequest(series, SLICES), 'async')
      assert.deepEqual(readVersions(body).versions, this.versions[at])
    }
    await checkEngine(engine)
    await engine.close()
  }

  close(): void {}
}

async function open(random: Random): Promise<Target> {
  const store = createMemoryStore()
  const path = join(scratchFolder(), 'versions')
  const engine = openEngine({ ...engineOptions, versionCachePath: path }, store)
  await fillEngine(engine)
  await flush(engine)
  const versions = []
  for (const series of NAMES) {
    const body = await readBody(engine, 'pageVersions', blockOf(series), pageVersionsRequest(series, SLICES), 'async')
    versions.push(readVersions(body).versions)
  }
  await engine.close()
  return new VersionCacheFile(random, store, path, versions)
}

export const versionCacheFile: Protocol = { name: 'version-cache-file', weight: 1, inputsPerRun: 1, runsPerEpisode: 300, open }
