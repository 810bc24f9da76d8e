/** Starts loader processes together, and reads the sample each prints. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { LoaderSample } from './sample.ts'

const READY = 'ready\n'

/** In a loader that is run to wait: says that it is ready, and resolves when it is told to begin. */
export async function waitForGo(): Promise<void> {
  const lines = createInterface({ input: process.stdin })
  process.stdout.write(READY)
  await new Promise((resolve) => {
    lines.once('line', resolve)
  })
  lines.close()
}

interface LoaderProcess {
  /** Resolves once it is connected; at once for a loader that does not wait. */
  readonly ready: Promise<void>
  /** What it printed after that. */
  readonly output: Promise<string>
  begin(): void
}

function start(command: readonly string[], waits: boolean, onText?: (text: string) => void): LoaderProcess {
  const [program, ...args] = command as [string, ...string[]]
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] })
  let output = ''
  let complaint = ''
  const ready = Promise.withResolvers<void>()
  const ended = Promise.withResolvers<string>()
  if (!waits) ready.resolve()
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
    onText?.(text)
    if (waits && output.startsWith(READY)) ready.resolve()
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint += text
  })
  child.once('error', ended.reject)
  child.once('close', (code) => {
    if (code === 0) ended.resolve(waits ? output.slice(READY.length) : output)
    else ended.reject(new Error(`the loader failed with exit code ${code}: ${command.join(' ')}\n${complaint.trim()}`))
  })
  ended.promise.catch(ready.reject)
  ready.promise.catch(() => {})
  return { ready: ready.promise, output: ended.promise, begin: () => child.stdin.end('go\n') }
}

/** Runs a loader that prints no sample, like one that fills; it may print how far it is. @throws Error with what it complained of. */
export async function runQuietly(command: readonly string[], onText?: (text: string) => void): Promise<void> {
  await start(command, false, onText).output
}

/**
 * Runs loaders; those that `wait` begin together once all are connected.
 * @throws Error if one fails, or had no call that succeeded.
 */
export async function runLoaders(commands: readonly (readonly string[])[], waits: boolean): Promise<LoaderSample[]> {
  const loaders = commands.map((command) => start(command, waits))
  await Promise.all(loaders.map((loader) => loader.ready))
  for (const loader of loaders) loader.begin()
  const samples = (await Promise.all(loaders.map((loader) => loader.output))).map((output) => JSON.parse(output) as LoaderSample)
  for (const { calls, errors, firstError } of samples) {
    if (calls === 0) throw new Error(`a loader had ${errors} errors and no success; the first error: ${firstError ?? 'none'}`)
  }
  return samples
}
