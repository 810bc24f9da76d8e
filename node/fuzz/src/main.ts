/**
 * `make fuzz`: hostile inputs for every protocol that a node speaks, each against the code that receives it, in a process per protocol.
 * A process that ends, throws, hangs or grows is a finding: where it was is printed, with what runs it again alone.
 *
 *     main.ts [--inputs N] [--only NAME] [--seed N] [--from EPISODE]
 */
import { fork } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Protocol } from './protocol.ts'
import { PROTOCOLS } from './protocols.ts'
import { MOST_RUN_MS, type RunResult } from './run-protocol.ts'
import { scratchFolder } from './scratch-folder.ts'

/** No input for so long: it hangs where nothing of JavaScript runs. */
const HANGS_MS = 3 * MOST_RUN_MS
const LOOK_MS = 1000
const REPORT_MS = 10_000

const { values } = parseArgs({
  options: {
    inputs: { type: 'string', default: '10000000' },
    only: { type: 'string', default: '' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
    from: { type: 'string', default: '0' },
  },
})
const seed = Number(values.seed)
const chosen = PROTOCOLS.filter(({ name }) => values.only === '' || name === values.only)
if (chosen.length === 0) throw new Error(`--only: ${values.only} is none of ${PROTOCOLS.map(({ name }) => name).join(', ')}`)
const weights = chosen.reduce((sum, { weight }) => sum + weight, 0)
const folder = scratchFolder()

const mib = (bytes: number): string => (bytes / 1024 / 1024).toFixed(1)

function reportEnd({ name }: Protocol, { inputs, elapsedMs, longestMs, growth }: RunResult): void {
  const grown = growth === undefined ? 'too few to tell growth' : `${mib(growth.rss)} MiB grown, ${mib(growth.heap)} of JavaScript`
  const rate = ((inputs * 1000) / elapsedMs).toFixed(0)
  console.log(`${name.padEnd(16)} ${inputs} inputs, ${rate} a second, longest ${longestMs.toFixed(0)} ms, ${grown}`)
}

function reportFinding(protocol: Protocol, place: string, what: string): void {
  const at = readFileSync(place)
  const [episode, input] = [at.readUInt32LE(0), at.readUInt32LE(4)]
  console.log(`${protocol.name} FAILED at input ${input} of episode ${episode}: ${what}`)
  console.log(`  again: make fuzz ONLY=${protocol.name} SEED=${seed} FROM=${episode} INPUTS=${input + protocol.inputsPerRun}`)
}

/** Runs it in a process of its own; true if nothing was found. */
function fuzz(protocol: Protocol, inputs: number): Promise<boolean> {
  const place = join(folder, protocol.name)
  writeFileSync(place, new Uint8Array(8))
  const child = fork(join(import.meta.dirname, 'worker.ts'), [place, protocol.name, String(seed), values.from, String(inputs)], {
    execArgv: ['--expose-gc', '--disable-warning=ExperimentalWarning'],
  })
  let result: RunResult | undefined
  let hangs = false
  let seen = ''
  let movedMs = performance.now()
  let reportedMs = movedMs
  const look = setInterval(() => {
    const at = readFileSync(place, 'hex')
    if (at !== seen) movedMs = performance.now()
    seen = at
    if (performance.now() - movedMs < HANGS_MS) return
    hangs = true
    child.kill('SIGKILL')
  }, LOOK_MS)
  child.on('message', (message: { done?: number; result?: RunResult }) => {
    result = message.result
    if (message.done === undefined || performance.now() - reportedMs < REPORT_MS) return
    reportedMs = performance.now()
    console.log(`${protocol.name.padEnd(16)} ${message.done} of ${inputs}`)
  })
  return new Promise((resolve) => {
    child.on('exit', (code, signal) => {
      clearInterval(look)
      if (result !== undefined && code === 0) reportEnd(protocol, result)
      else reportFinding(protocol, place, hangs ? `nothing more in ${HANGS_MS} ms` : `the process ended with ${signal ?? code}`)
      resolve(result !== undefined && code === 0)
    })
  })
}

console.log(`seed ${seed}`)
let failed = 0
for (const protocol of chosen) {
  const share = Math.max(protocol.inputsPerRun, Math.round((Number(values.inputs) * protocol.weight) / weights))
  if (!(await fuzz(protocol, share))) failed++
}
console.log(failed === 0 ? 'nothing was found' : `${failed} of ${chosen.length} protocols failed`)
process.exitCode = failed === 0 ? 0 : 1
