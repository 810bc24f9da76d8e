/**
 * Images of two builds of the product that differ. The lab's own: the tree as it is, and the same under another version. For a
 * cluster of somebody else they are named by THERMOCLINE_IMAGES, with a comma between, where its nodes can pull them.
 */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { makeTemporaryFolder, removeTemporaryFolder } from '../temporary-folder.ts'
import type { Lab } from './lab.ts'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const BASE = 'lab.local/node-npm:20'
const REPOSITORY = 'lab.local/thermocline'
/** What the image is made of; the rest of the tree may be large. */
const PARTS = ['.dockerignore', '.npmrc', 'Dockerfile', 'LICENSE', 'package.json', 'package-lock.json', 'scripts', 'thermocline']
const PACKAGES = ['protocol', 'native', 'node', 'operator', 'client', 'cli', 'checker', 'simulation', 'e2e', 'bench']
const VERSIONS = ['0.1.0', '0.1.1'] as const

export interface Images {
  readonly first: string
  readonly second: string
}

/** Images that every node of the cluster has or can pull. */
export async function imagesFor(lab: Lab): Promise<Images> {
  if (lab.isOwn) return await buildImages(lab)
  const [first = '', second = ''] = (process.env.THERMOCLINE_IMAGES ?? '').split(',')
  if (first === '' || second === '' || first === second)
    throw new Error('THERMOCLINE_IMAGES: with KUBECONFIG it names two builds, like registry/thermocline:0.1.0,registry/thermocline:0.1.1')
  return { first, second }
}

async function buildImages(lab: Lab): Promise<Images> {
  const [first, second] = VERSIONS.map((version) => `${REPOSITORY}:${version}`) as [string, string]
  const folder = makeTemporaryFolder()
  try {
    const isSource = (path: string): boolean => !/\/(?:node_modules|build|dist|\.cache)$/.test(path)
    const tree = join(folder, 'tree')
    for (const part of [...PARTS, ...PACKAGES]) cpSync(join(ROOT, part), join(tree, part), { recursive: true, filter: isSource })
    const manifest = join(tree, 'node/package.json')
    const write = (file: string, version: string): void =>
      writeFileSync(file, readFileSync(manifest, 'utf8').replace(/"version": "[^"]*"/, `"version": "${version}"`))
    write(manifest, VERSIONS[0])
    await lab.loadImage(await lab.buildImage(first, BASE, tree))
    // Of the second only that file differs; built from the tree it would install all packages and compile the addon again.
    const change = join(folder, 'change')
    mkdirSync(change)
    write(join(change, 'package.json'), VERSIONS[1])
    writeFileSync(join(change, 'Dockerfile'), 'ARG BASE\nFROM $BASE\nCOPY package.json /opt/thermocline/node/package.json\n')
    await lab.loadImage(await lab.buildImage(second, first, change))
  } finally {
    removeTemporaryFolder(folder)
  }
  return { first, second }
}
