/** The import table, enforced: packages, folders of the node, purity, the real world, cycles. */
import { dirname, join } from 'node:path/posix'
import { NODE_FOLDERS, NOT_SHIPPED, OS_IMPORTERS, PACKAGES, PURE, SHIPPED } from './table.ts'
import { codeOf, type Finding, isTest, lineOf, type SourceFile } from './tree.ts'

interface Import {
  readonly from: string
  /** As written. */
  readonly specifier: string
  /** Path in the tree for a relative import, undefined for a package. */
  readonly target: string | undefined
  readonly line: number
  /** `import type`: gone when the code runs. */
  readonly isErased: boolean
}

const IMPORT =
  /(?:^|\n)[ \t]*(?:(?:import|export)\s(?:type\s)?[^'"`();=]*?\bfrom\s*|import\s*)['"]([^'"\n]+)['"]|\bimport\(\s*['"]([^'"\n]+)['"]/g
const SCOPE = '@thermocline/'
const NODE_SOURCES = 'node/src/'
const IMPURE = /\b(?:Date|performance|setTimeout|setInterval|setImmediate|console|process)\b(?=\s*[.(])|\bMath\.random\b|\bnew Date\b/g

export function importsOf({ path, text }: SourceFile): Import[] {
  return [...text.matchAll(IMPORT)].map((match) => {
    const specifier = (match[1] ?? match[2]) as string
    const at = match.index + match[0].lastIndexOf(specifier)
    const target = specifier.startsWith('.') ? join(dirname(path), specifier) : undefined
    return { from: path, specifier, target, line: lineOf(text, at), isErased: /^\s*(?:import|export)\s+type\b/.test(match[0]) }
  })
}

const packageOf = (path: string): string => path.split('/')[0] as string
const place = ({ from, line }: Import): string => `${from}:${line}`

function checkPackage(one: Import): Finding[] {
  const own = packageOf(one.from)
  const allowed = PACKAGES[own]
  if (allowed === undefined) {
    return [{ place: one.from, what: `folder ${own}/ is not in the import table`, fix: 'add it to PACKAGES in scripts/tidy/table.ts' }]
  }
  const byName = one.specifier.startsWith(SCOPE) ? (one.specifier.slice(SCOPE.length).split('/')[0] as string) : undefined
  const other = byName ?? (one.target === undefined ? own : packageOf(one.target))
  if (other === own) return []
  if (!allowed.includes(other)) {
    const may = allowed.length === 0 ? 'nothing of this repository' : allowed.join(', ')
    return [
      {
        place: place(one),
        what: `${own} imports ${other}`,
        fix: `${own} may import ${may}; move the code, or hand the value in (scripts/tidy/table.ts)`,
      },
    ]
  }
  if (other === NOT_SHIPPED && SHIPPED.test(one.from) && !isTest(one.from)) {
    return [{ place: place(one), what: `imports ${other}, which is not in the image`, fix: 'only tests and simulators may' }]
  }
  if (byName === undefined && own !== 'scripts') {
    return [
      { place: place(one), what: `${own} reaches into ${other} by path`, fix: `import ${SCOPE}${other}, what its package.json exports` },
    ]
  }
  return []
}

function checkNodeFolder(one: Import): Finding[] {
  if (!one.from.startsWith(NODE_SOURCES) || isTest(one.from) || one.target?.startsWith(NODE_SOURCES) !== true) return []
  const [from, to] = [folderOf(one.from), folderOf(one.target)]
  if (from === to) return []
  const allowed = NODE_FOLDERS[from]
  if (allowed === undefined) {
    return [
      { place: one.from, what: `folder ${from} of node/src is not in the table`, fix: 'add it to NODE_FOLDERS in scripts/tidy/table.ts' },
    ]
  }
  if (allowed.includes(to)) return []
  return [
    {
      place: place(one),
      what: `node/src/${from} imports node/src/${to}`,
      fix: `it may import ${allowed.join(', ') || 'no other folder'}; hand the value in, or decide the edge in scripts/tidy/table.ts`,
    },
  ]
}

function folderOf(path: string): string {
  const folder = dirname(path.slice(NODE_SOURCES.length))
  return folder
}

function checkRealWorld(one: Import): Finding[] {
  if (one.target?.startsWith('node/src/io/os/') !== true || one.from.startsWith('node/src/io/os/')) return []
  if (isTest(one.from) || OS_IMPORTERS.includes(one.from)) return []
  return [
    {
      place: place(one),
      what: 'imports node/src/io/os',
      fix: `take a port of node/src/io/ports.ts; only ${OS_IMPORTERS.join(' and ')} make the real ones`,
    },
  ]
}

const isPure = (path: string): boolean => PURE.some((pattern) => pattern.test(path)) && !isTest(path)

function checkPureImport(one: Import): Finding[] {
  // node:util has functions of their arguments alone.
  const isImpure = (one.specifier.startsWith('node:') && one.specifier !== 'node:util') || one.specifier === 'pino'
  if (!isPure(one.from) || !isImpure) return []
  return [{ place: place(one), what: `pure code imports ${one.specifier}`, fix: 'hand it in, or move this file out of the pure folder' }]
}

function checkPureWords({ path, text }: SourceFile): Finding[] {
  if (!isPure(path)) return []
  return [...codeOf(text).matchAll(IMPURE)].map(({ 0: word, index }) => ({
    place: `${path}:${lineOf(text, index)}`,
    what: `pure code uses ${word}`,
    fix: 'time, chance, environment and logs are handed in as a parameter',
  }))
}

/** One finding per cycle, as the path around it. */
export function findCycles(edges: ReadonlyMap<string, readonly string[]>): string[][] {
  const cycles: string[][] = []
  const done = new Set<string>()
  const trail: string[] = []
  const visit = (file: string): void => {
    if (done.has(file)) return
    const at = trail.indexOf(file)
    if (at !== -1) {
      cycles.push([...trail.slice(at), file])
      return
    }
    trail.push(file)
    for (const next of edges.get(file) ?? []) visit(next)
    trail.pop()
    done.add(file)
  }
  for (const file of edges.keys()) visit(file)
  return cycles
}

export function checkImports(files: readonly SourceFile[]): Finding[] {
  const sources = files.filter(({ path }) => path.endsWith('.ts'))
  const edges = new Map<string, string[]>()
  const findings: Finding[] = []
  for (const file of sources) {
    const imports = importsOf(file)
    edges.set(
      file.path,
      imports.flatMap(({ target, isErased }) => (target === undefined || isErased ? [] : [target])),
    )
    findings.push(
      ...imports.flatMap((one) => [checkPackage, checkNodeFolder, checkRealWorld, checkPureImport].flatMap((check) => check(one))),
    )
    findings.push(...checkPureWords(file))
  }
  for (const cycle of findCycles(edges)) {
    findings.push({
      place: cycle[0] as string,
      what: `imports go in a circle: ${cycle.join(' → ')}`,
      fix: 'move what both need into a file below them',
    })
  }
  return findings
}
