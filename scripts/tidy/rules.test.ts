import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkClockAndChance } from './clock-and-chance.ts'
import { checkFile } from './files.ts'
import { checkImports, findCycles } from './imports.ts'
import { anchorsOf, checkLinks } from './links.ts'
import type { Finding } from './tree.ts'

const whats = (findings: readonly Finding[]): string[] => findings.map(({ place, what }) => `${place}: ${what}`)
const check = (path: string, text: string): string[] => whats(checkImports([{ path, text }]))

test('packages import only what stands below them', () => {
  assert.deepEqual(check('client/src/a.ts', "import { x } from '@thermocline/protocol'\n"), [])
  assert.deepEqual(check('client/src/a.ts', "import { x } from '@thermocline/node'\n"), ['client/src/a.ts:1: client imports node'])
  assert.deepEqual(check('cli/src/a.ts', "import {\n  x,\n} from '../../client/src/b.ts'\n"), [
    'cli/src/a.ts:3: cli reaches into client by path',
  ])
  assert.deepEqual(check('client/src/a.ts', "const x = await import('../../node/src/b.ts')\n"), ['client/src/a.ts:1: client imports node'])
})

test('what ships does not import what is not in the image', () => {
  const text = "import { Random } from '@thermocline/simulation'\n"
  assert.deepEqual(check('node/src/a.ts', text), ['node/src/a.ts:1: imports simulation, which is not in the image'])
  for (const path of ['node/src/a.test.ts', 'node/sim/src/a.ts', 'bench/src/a.ts']) assert.deepEqual(check(path, text), [])
})

test('folders of the node know only those below them', () => {
  assert.deepEqual(check('node/src/kv/a.ts', "import { x } from '../paxos/b.ts'\n"), [])
  assert.deepEqual(check('node/src/paxos/a.ts', "import { x } from '../kv/b.ts'\n"), [
    'node/src/paxos/a.ts:1: node/src/paxos imports node/src/kv',
  ])
  assert.deepEqual(check('node/src/wal/a.test.ts', "import { x } from '../kv/b.ts'\n"), [])
})

test('the real world is made in one place', () => {
  const text = "import { x } from '../io/os/clock.ts'\n"
  assert.equal(check('node/src/replica/a.ts', text).length, 2)
  assert.deepEqual(check('node/src/main.ts', "import { x } from './io/os/clock.ts'\n"), [])
})

test('pure code takes time, chance and the environment as parameters', () => {
  assert.deepEqual(check('node/src/paxos/a.ts', "import { readFileSync } from 'node:fs'\n"), [
    'node/src/paxos/a.ts:1: pure code imports node:fs',
  ])
  assert.deepEqual(check('node/src/paxos/a.ts', 'const now = Date.now()\nconst chance = Math.random()\n'), [
    'node/src/paxos/a.ts:1: pure code uses Date',
    'node/src/paxos/a.ts:2: pure code uses Math.random',
  ])
  assert.deepEqual(check('node/src/paxos/a.ts', "// Date.now() is not used\nconst text = 'Date.now()'\n"), [])
  assert.deepEqual(check('node/src/replica/a.ts', 'const now = Date.now()\n'), [])
})

test('nodes and clients take time and chance from what they are handed', () => {
  const check = (path: string, text: string): string[] => whats(checkClockAndChance([{ path, text }]))
  for (const [text, what] of [
    ['const now = Date.now()', 'uses Date'],
    ['const now = performance.now()', 'uses performance'],
    ['setTimeout(run, 5)', 'uses setTimeout'],
    ['setImmediate(run)', 'uses setImmediate'],
    ['const x = Math.random()', 'uses Math.random'],
    ['const signal = AbortSignal.timeout(5)', 'uses AbortSignal.timeout'],
    ["import * as timers from 'node:timers/promises'", 'imports node:timers/promises'],
    ["import { createHash, randomBytes } from 'node:crypto'", 'imports chance from node:crypto'],
  ] as const) {
    assert.deepEqual(check('client/src/a.ts', text), [`client/src/a.ts:1: ${what}`])
    assert.deepEqual(check('node/src/replica/a.ts', text), [`node/src/replica/a.ts:1: ${what}`])
    for (const path of ['client/src/os/a.ts', 'node/src/io/os/a.ts', 'node/src/main.ts', 'client/src/a.test.ts', 'cli/src/a.ts'])
      assert.deepEqual(check(path, text), [])
  }
  const handed = "import { createHash } from 'node:crypto'\nconst id = world.randomBytes(10)\nclock.after(5, () => world.random())\n"
  assert.deepEqual(check('client/src/a.ts', handed), [])
})

test('a circle of imports is told as the way around it', () => {
  const edges = new Map([
    ['a', ['b']],
    ['b', ['c']],
    ['c', ['b']],
  ])
  assert.deepEqual(findCycles(edges), [['b', 'c', 'b']])
})

test('files: size, name, header, words', () => {
  const rules = (path: string, text: string) => whats(checkFile({ path, text }))
  assert.deepEqual(rules('node/src/a.ts', `/** A. */\n${'x\n'.repeat(600)}`), ['node/src/a.ts: 601 lines; at most 600'])
  assert.deepEqual(rules('node/src/a.ts', 'x\n'.repeat(80)), ['node/src/a.ts: has no header'])
  assert.deepEqual(rules('node/src/block-utils.ts', 'x\n'), ['node/src/block-utils.ts: the name says nothing'])
  assert.deepEqual(rules('node/src/a.ts', 'x\nexport default x\n'), ['node/src/a.ts:2: a default export: export default'])
  assert.deepEqual(rules('node/src/a.ts', 'console.log(1)\n'), ['node/src/a.ts:1: console: console.log'])
  assert.deepEqual(rules('bench/src/a.ts', 'console.log(1)\n'), [])
  assert.deepEqual(rules('node/test/a.test.ts', ''), ['node/test/a.test.ts: stands in a folder of tests'])
  assert.deepEqual(rules('node/src/a.test.ts', ['test', 'only("a")\n'].join('.')), [
    `node/src/a.test.ts:1: a test that is left out, or leaves others out: ${['test', 'only'].join('.')}`,
  ])
})

test('links: files and headings', () => {
  const pages = [
    {
      path: 'docs/a.md',
      text: '[b](b.md) [c](c.md) [to](b.md#two-words) [nowhere](b.md#three) [web](https://example.org)\n`[code](d.md)`\n',
    },
    { path: 'docs/b.md', text: '# One\n## Two words\n' },
  ]
  const found = checkLinks(pages, (path) => pages.some((page) => page.path === path))
  assert.deepEqual(whats(found), ['docs/a.md:1: link to c.md, which is not there', 'docs/a.md:1: link to b.md#three: no such heading'])
  assert.deepEqual([...anchorsOf('# A `b`\n# A b\n')], ['a-b', 'a-b-1'])
})
