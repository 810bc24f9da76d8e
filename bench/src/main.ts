/** `make bench`: Thermocline beside etcd, in turn, on one machine and one disk. Method and reading: docs/performance.md. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startThermocline } from './cluster.ts'
import { compareResults } from './compare.ts'
import { describeMachine } from './machine.ts'
import { type Options, parseOptions, USAGE } from './options.ts'
import { startEtcd } from './peers/etcd.ts'
import { setUpEtcd } from './peers/etcd-setup.ts'
import { formatResults } from './report.ts'
import type { Results } from './results.ts'
import { idleCores, runAll } from './run.ts'
import type { System } from './system.ts'
import { chooseWorkloads } from './workloads.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const say = (line: string): void => {
  process.stderr.write(`bench: ${line}\n`)
}

function ownVersion(): string {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty'], { cwd: ROOT, encoding: 'utf8' }).trim()
  } catch {
    // A tree without git, like an unpacked tarball.
    return (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }).version
  }
}

async function measure(options: Options): Promise<Results> {
  const workloads = chooseWorkloads(options.only, options.isQuick)
  const loader = setUpEtcd(say)
  mkdirSync(options.folder, { recursive: true })
  const folder = mkdtempSync(join(options.folder, 'run-'))
  const machine = describeMachine(folder)
  const loadBefore = Number((loadavg()[0] ?? 0).toFixed(2))
  const systems: System[] = []
  const stop = async (): Promise<void> => {
    await Promise.all(systems.map((system) => system.stop()))
    rmSync(folder, { recursive: true, force: true })
  }
  process.once('SIGINT', () => void stop().then(() => process.exit(130)))
  try {
    say('starting etcd and thermocline')
    const etcd = await startEtcd(join(folder, 'etcd'), loader)
    systems.push(etcd)
    const ours = await startThermocline(join(folder, 'thermocline'), ownVersion(), say)
    systems.push(ours)
    const idle = await idleCores(systems)
    const rows = await runAll(ours, etcd, { workloads, rounds: options.rounds, seconds: options.seconds }, say)
    return {
      name: 'thermocline beside etcd',
      date: new Date().toISOString(),
      machine,
      versions: { [ours.name]: ours.version, [etcd.name]: etcd.version },
      rounds: options.rounds,
      secondsPerRun: options.seconds,
      loadBefore,
      idleCores: idle,
      rows,
    }
  } finally {
    await stop()
  }
}

function gate(path: string, now: Results): number {
  const { compared, regressions } = compareResults(JSON.parse(readFileSync(path, 'utf8')) as Results, now)
  if (regressions.length === 0) {
    say(`no regression in ${compared.length} workloads against ${path}`)
    return 0
  }
  say(`worse than ${path}:\n  ${regressions.join('\n  ')}`)
  return 1
}

async function main(): Promise<number> {
  if (process.argv.includes('--help')) {
    process.stdout.write(`${USAGE}\n`)
    return 0
  }
  const options = parseOptions(process.argv.slice(2), {
    out: join(ROOT, 'bench/results/latest.json'),
    folder: join(ROOT, 'bench/.cache'),
  })
  const results = await measure(options)
  const json = `${JSON.stringify(results, undefined, 2)}\n`
  mkdirSync(dirname(options.out), { recursive: true })
  writeFileSync(options.out, json)
  process.stdout.write(options.isJson ? json : `${formatResults(results)}\n`)
  return options.compare === undefined ? 0 : gate(options.compare, results)
}

main().then(
  (code) => {
    process.exitCode = code
  },
  (error: unknown) => {
    say(error instanceof Error ? error.message : String(error))
    process.exitCode = 2
  },
)
