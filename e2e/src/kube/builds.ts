/** Two builds of the product that differ: the tree as it is, and the same under another version. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { makeTemporaryFolder, removeTemporaryFolder } from '../temporary-folder.ts'
import type { Lab } from './lab.ts'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const BASE = 'lab.local/node-npm:20'
/** What the image is made of; the rest of the tree may be large. */
const PARTS = ['.dockerignore', '.npmrc', 'Dockerfile', 'LICENSE', 'package.json', 'package-lock.json', 'scripts', 'thermocline']
const PACKAGES = ['protocol', 'native', 'node', 'operator', 'client', 'cli', 'checker', 'e2e', 'bench']

export const REPOSITORY = 'lab.local/thermocline'
export const BUILDS = { first: '0.1.0', second: '0.1.1' } as const

/** Builds both and hands them to all nodes. */
export async function loadBuilds(lab: Lab): Promise<void> {
  const folder = makeTemporaryFolder()
  try {
    const isSource = (path: string): boolean => !/\/(?:node_modules|build|dist|\.cache)$/.test(path)
    for (const part of [...PARTS, ...PACKAGES]) cpSync(join(ROOT, part), join(folder, part), { recursive: true, filter: isSource })
    for (const version of Object.values(BUILDS)) {
      const file = join(folder, 'node/package.json')
      writeFileSync(file, readFileSync(file, 'utf8').replace(/"version": "[^"]*"/, `"version": "${version}"`))
      await lab.loadImage(await lab.buildImage(`${REPOSITORY}:${version}`, BASE, folder))
    }
  } finally {
    removeTemporaryFolder(folder)
  }
}
