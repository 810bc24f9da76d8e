/** `make bench-studies`: what clients of the storage tier notice of failures, of overload and of readers of removals; docs/performance.md has the figures. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { positive } from '../options.ts'
import { ownVersion, ROOT, runProgram, say } from '../program.ts'
import { inSession } from '../session.ts'
import { overload } from './overload.ts'
import { phases } from './phases.ts'
import { removals } from './removals.ts'
import type { Study } from './study.ts'

const STUDIES: readonly Study[] = [phases, overload, removals]
const FOLDER = join(ROOT, 'bench/.cache')

const USAGE = `usage: node bench/src/studies/main.ts [flags]      (make bench-studies ARGS='…' takes the machine-wide lock)
  --only A,B       of ${STUDIES.map(({ name }) => name).join(', ')}
  --seconds N      of each phase (10)
  --series N       that are stored, and loaded (5,000)
  --records N      of each series (40)
  --slices N       of time that the records lie in (1)
  --out FILE       where the results go (bench/results/studies.json)`

function readResults(path: string): Record<string, object> {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Record<string, object>
  } catch {
    return {}
  }
}

async function main(args: readonly string[]): Promise<number> {
  const options = {
    only: { type: 'string' },
    seconds: { type: 'string', default: '10' },
    series: { type: 'string', default: '5000' },
    records: { type: 'string', default: '40' },
    slices: { type: 'string', default: '1' },
    out: { type: 'string', default: join(ROOT, 'bench/results/studies.json') },
  } as const
  const { values } = parseArgs({ args: [...args], options })
  const whole = (name: 'series' | 'records' | 'slices'): number => positive(`--${name}`, values[name], Number.isInteger)
  const dataset = { series: whole('series'), recordsPerSeries: whole('records'), slices: whole('slices') }
  const seconds = positive('--seconds', values.seconds, Number.isFinite)
  const names = values.only?.split(',') ?? STUDIES.map(({ name }) => name)
  const unknown = names.filter((name) => !STUDIES.some((study) => study.name === name))
  if (unknown.length > 0) throw new Error(`--only: ${unknown.join(', ')} is none of ${STUDIES.map(({ name }) => name).join(', ')}`)
  for (const study of STUDIES.filter(({ name }) => names.includes(name))) {
    const measured = await inSession(FOLDER, async ({ folder, machine, loadBefore }) => ({
      date: new Date().toISOString(),
      version: ownVersion(),
      machine,
      loadBefore,
      seconds,
      ...(await study.run({ folder, dataset, seconds, say })),
    }))
    mkdirSync(dirname(values.out), { recursive: true })
    writeFileSync(values.out, `${JSON.stringify({ ...readResults(values.out), [study.name]: measured }, undefined, 2)}\n`)
  }
  return 0
}

runProgram(USAGE, main)
