/**
 * Nodes and the client library are handed in time and chance, so that the simulator runs them as they are: a clock that is read in
 * passing, or a timer that is set, would make a seed's run depend on the machine.
 */
import { importsOf } from './imports.ts'
import { codeOf, type Finding, isTest, lineOf, type SourceFile } from './tree.ts'

const HELD = /^(?:client|node)\/src\//
/** The real ones are made here; and the tests' own cluster is a process of its own. */
const EXEMPT = /^(?:client\/src\/(?:os|testing)\/|node\/src\/io\/os\/|node\/src\/main\.ts$)/
const WORDS =
  /(?<![.\w])(?:Date\b(?=\s*[.(])|performance\b|(?:set|clear)(?:Timeout|Interval|Immediate)\b|crypto\b(?=\s*\.))|\bMath\.random\b|\bAbortSignal\.timeout\b|\bprocess\.(?:hrtime|uptime)\b/g
const MODULES = /^(?:node:)?(?:timers(?:\/promises)?|perf_hooks)$/
const RANDOM_IMPORT = /\bimport\s*\{[^}]*\b(?:random\w*|getRandomValues|webcrypto)\b[^}]*\}\s*from\s*'(?:node:)?crypto'/g
const FIX =
  'take it from the Clock, or the chance, that the constructor is handed (protocol/src/clock.ts, node/src/io/ports.ts, client/src/world.ts)'

export function checkClockAndChance(files: readonly SourceFile[]): Finding[] {
  return files.filter(({ path }) => path.endsWith('.ts') && HELD.test(path) && !EXEMPT.test(path) && !isTest(path)).flatMap(checkOne)
}

function checkOne(file: SourceFile): Finding[] {
  const { path, text } = file
  const finding = (what: string, line: number): Finding => ({ place: `${path}:${line}`, what, fix: FIX })
  return [
    ...[...codeOf(text).matchAll(WORDS)].map(({ 0: word, index }) => finding(`uses ${word}`, lineOf(text, index))),
    ...importsOf(file)
      .filter(({ specifier }) => MODULES.test(specifier))
      .map(({ specifier, line }) => finding(`imports ${specifier}`, line)),
    ...[...text.matchAll(RANDOM_IMPORT)].map(({ index }) => finding('imports chance from node:crypto', lineOf(text, index))),
  ]
}
