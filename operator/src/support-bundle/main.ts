/** The program that makes support bundles; `thermocline support-bundle` starts it. Results to stdout, all else to stderr. */
import { readFileSync, rmSync } from 'node:fs'
import { relative } from 'node:path'
import { ThermoclineError } from '@thermocline/protocol'
import type { TarArchive } from './archive.ts'
import { readConfig, type SupportBundleConfig } from './config.ts'
import { counts, toldShortcomings } from './index-page.ts'
import { type Made, madeJson, makeSupportBundle } from './support-bundle.ts'

/** As the command line has them (docs/reference/cli.md). */
const EXIT = { failed: 1, usage: 2, unavailable: 6 } as const
const INTERRUPTED = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const

async function run(config: SupportBundleConfig): Promise<void> {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
  let begun: TarArchive | undefined
  for (const [signal, code] of Object.entries(INTERRUPTED)) {
    process.on(signal, () => {
      if (begun !== undefined) rmSync(begun.temporary, { force: true })
      process.exit(code)
    })
  }
  const made = await makeSupportBundle(config, {
    version,
    nowMs: () => performance.now(),
    wallMs: () => Date.now(),
    say: (line) => {
      if (!config.json) process.stderr.write(`support-bundle: ${line}\n`)
    },
    // Kubernetes' library takes a second to load.
    openKubeconfig: async (source) => (await import('./kubeconfig.ts')).openKubeconfig(source),
    onBegun: (archive) => {
      begun = archive
    },
  })
  process.stdout.write(config.json ? `${JSON.stringify(madeJson(made))}\n` : summaryOf(made))
}

function summaryOf(made: Made): string {
  const { path, bytes, entries } = made
  const { collected, failed, leftOut } = counts(entries)
  const here = relative('.', path)
  const shown = here.startsWith('..') ? path : here
  const lacks = failed + leftOut === 0 ? 'nothing is missing' : `${failed} could not be had, ${leftOut} were not asked for`
  return [
    `${shown}: ${(bytes / 1024).toFixed(0)} KiB, ${collected} items; ${lacks}`,
    ...toldShortcomings(entries),
    'Secrets are left out; look through it all the same before you hand it on. docs/support-bundle.md says how to read it.',
    '',
  ].join('\n')
}

function fail(error: unknown, json: boolean): void {
  const code = error instanceof ThermoclineError ? error.code : 'internal'
  const message = error instanceof Error ? error.message : String(error)
  process.stderr.write(json ? `${JSON.stringify({ error: { code, message } })}\n` : `thermocline support-bundle: ${message}\n`)
  process.exitCode = code === 'invalid_argument' ? EXIT.usage : code === 'unavailable' ? EXIT.unavailable : EXIT.failed
}

try {
  await run(readConfig(process.argv.slice(2)))
  // Sockets of requests that hang are nobody's concern any more.
  process.stdout.write('', () => process.exit())
} catch (error) {
  fail(error, process.argv.includes('--json'))
  process.stderr.write('', () => process.exit())
}
