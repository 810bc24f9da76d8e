/** `make bench-memory-studies`: questions about the memory tier that no peer answers; docs/performance.md has the plots. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { positive } from '../../options.ts'
import { ownVersion, ROOT, runProgram, say } from '../../program.ts'
import { inSession } from '../../session.ts'
import { writeDataset } from '../dataset.ts'
import { cacheSize } from './cache-size.ts'
import { capacity } from './capacity.ts'
import { massRestart } from './mass-restart.ts'
import type { Study } from './study.ts'
import { validation } from './validation.ts'
import { warmUp } from './warm-up.ts'
import { writeLatency } from './write-latency.ts'

const STUDIES: readonly Study[] = [warmUp, massRestart, capacity, cacheSize, validation, writeLatency]
const OUT = join(ROOT, 'bench/results/memory-studies.json')
const FOLDER = join(ROOT, 'bench/.cache')

const USAGE = `usage: node bench/src/memory/studies/main.ts [flags]      (make bench-memory-studies ARGS='…' takes the machine-wide lock)
  --only A,B       of ${STUDIES.map(({ name }) => name).join(', ')}
  --pages N        pages that are stored (200,000)
  --seconds N      of each step (6)`

type Results = Record<string, object>

function readResults(): Results {
  try {
    return JSON.parse(readFileSync(OUT, 'utf8')) as Results
  } catch {
    return {}
  }
}

async function main(args: readonly string[]): Promise<number> {
  const options = {
    only: { type: 'string' },
    pages: { type: 'string', default: '200000' },
    seconds: { type: 'string', default: '6' },
  } as const
  const { values } = parseArgs({ args: [...args], options })
  const pages = positive('--pages', values.pages, Number.isInteger)
  const seconds = positive('--seconds', values.seconds, Number.isFinite)
  const names = values.only?.split(',') ?? STUDIES.map(({ name }) => name)
  const unknown = names.filter((name) => !STUDIES.some((study) => study.name === name))
  if (unknown.length > 0) throw new Error(`--only: ${unknown.join(', ')} is none of ${STUDIES.map(({ name }) => name).join(', ')}`)
  for (const study of STUDIES.filter(({ name }) => names.includes(name))) {
    const measured = await inSession(FOLDER, async ({ folder, machine, loadBefore }) => {
      const dataset = writeDataset(folder, pages)
      return {
        date: new Date().toISOString(),
        version: ownVersion(),
        machine,
        loadBefore,
        pages,
        seconds,
        ...(await study.run({ folder, dataset, seconds, say })),
      }
    })
    mkdirSync(dirname(OUT), { recursive: true })
    writeFileSync(OUT, `${JSON.stringify({ ...readResults(), [study.name]: measured }, undefined, 2)}\n`)
  }
  return 0
}

runProgram(USAGE, main)
