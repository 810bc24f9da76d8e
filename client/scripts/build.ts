/**
 * Builds the package that is published: JavaScript and .d.ts of the client and of the protocol it speaks, in one tarball.
 *
 *     node client/scripts/build.ts [--pack FOLDER]
 *
 * The compiler emits client/dist/{client,protocol}/src; the imports of `@thermocline/protocol` are then made relative, so
 * that the tarball depends only on what npm has. With --pack, the tarball is put in FOLDER and its path is printed.
 */
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'

interface Manifest {
  version: string
  description: string
  license: string
  dependencies?: Record<string, string>
}

const root = resolve(import.meta.dirname, '../..')
const client = join(root, 'client')
const dist = join(client, 'dist')
const protocolEntry = join(dist, 'protocol/src/mod.js')

const manifest = (workspace: string) => JSON.parse(readFileSync(join(root, workspace, 'package.json'), 'utf8')) as Manifest

function compile(): void {
  rmSync(dist, { recursive: true, force: true })
  execFileSync(join(root, 'node_modules/.bin/tsc'), ['-p', join(client, 'tsconfig.build.json')], {
    stdio: ['ignore', 'inherit', 'inherit'],
  })
}

/** Makes every import specifier one that resolves inside the tarball. */
function rewriteImports(): void {
  for (const name of readdirSync(dist, { recursive: true, encoding: 'utf8' })) {
    if (!/\.(js|d\.ts)$/.test(name)) continue
    const path = join(dist, name)
    let toProtocol = relative(dirname(path), protocolEntry)
    if (!toProtocol.startsWith('.')) toProtocol = `./${toProtocol}`
    const text = readFileSync(path, 'utf8')
      .replace(/(from |import\()(['"])@thermocline\/protocol\2/g, `$1$2${toProtocol}$2`)
      .replace(/(from |import\()(['"])(\.{1,2}\/[^'"]*)\.ts\2/g, '$1$2$3.js$2')
    if (text.includes('@thermocline/protocol')) throw new Error(`${name} still names @thermocline/protocol`)
    writeFileSync(path, text)
  }
}

function writeManifest(): void {
  const { version, description, license, dependencies } = manifest('client')
  const entry = (path: string) => ({ types: `./client/src/${path}.d.ts`, default: `./client/src/${path}.js` })
  const { '@thermocline/protocol': _bundled, ...own } = dependencies ?? {}
  const published = {
    name: '@thermocline/client',
    version,
    description,
    license,
    type: 'module',
    engines: { node: '>=22' },
    exports: { '.': entry('mod'), './testing': entry('testing/mod') },
    files: ['client', 'protocol', 'README.md', 'API.md', 'LICENSE'],
    dependencies: { ...manifest('protocol').dependencies, ...own },
  }
  writeFileSync(join(dist, 'package.json'), `${JSON.stringify(published, undefined, 2)}\n`)
  for (const document of ['README.md', 'API.md']) copyFileSync(join(client, document), join(dist, document))
  copyFileSync(join(root, 'LICENSE'), join(dist, 'LICENSE'))
}

compile()
rewriteImports()
writeManifest()
const [flag, folder] = process.argv.slice(2)
if (flag === '--pack' && folder !== undefined) {
  mkdirSync(folder, { recursive: true })
  const packed = execFileSync('npm', ['pack', '--silent', '--pack-destination', resolve(folder)], { cwd: dist, encoding: 'utf8' })
  console.log(join(resolve(folder), packed.trim()))
}
