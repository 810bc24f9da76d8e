/** What the programs of this folder share: what they say, which version they measure, what they leave behind. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { compareResults } from './compare.ts'
import type { CommonOptions } from './options.ts'
import type { Results } from './results.ts'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))

export const say = (line: string): void => {
  process.stderr.write(`bench: ${line}\n`)
}

export function ownVersion(): string {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty'], { cwd: ROOT, encoding: 'utf8' }).trim()
  } catch {
    // A tree without git, like an unpacked tarball.
    return (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }).version
  }
}

function gate(path: string, now: Results): number {
  const { compared, regressions } = compareResults(JSON.parse(readFileSync(path, 'utf8')) as Results, now)
  if (regressions.length === 0) {
    say(`no regression in ${compared.length} rows against ${path}`)
    return 0
  }
  say(`worse than ${path}:\n  ${regressions.join('\n  ')}`)
  return 1
}

/** Writes and prints results. Returns the exit code. */
export function publish(results: Results, options: CommonOptions, format: (results: Results) => string): number {
  const json = `${JSON.stringify(results, undefined, 2)}\n`
  mkdirSync(dirname(options.out), { recursive: true })
  writeFileSync(options.out, json)
  process.stdout.write(options.isJson ? json : `${format(results)}\n`)
  return options.compare === undefined ? 0 : gate(options.compare, results)
}

/** Runs a program unless it is asked what it does. */
export function runProgram(usage: string, main: (args: readonly string[]) => Promise<number>): void {
  const args = process.argv.slice(2)
  if (args.includes('--help')) {
    process.stdout.write(`${usage}\n`)
    return
  }
  main(args).then(
    (code) => {
      process.exitCode = code
    },
    (error: unknown) => {
      say(error instanceof Error ? error.message : String(error))
      process.exitCode = 2
    },
  )
}
