/**
 * Writes the generated pages and manifests (`make fix`). With --check it writes nothing, names the files that differ from what they are
 * made from, and ends with 1 (`make check`).
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { dashboardFiles } from './dashboards/files.ts'
import { cliPage } from './reference/cli.ts'
import { doorsPage } from './reference/doors.ts'
import { httpApiPage } from './reference/http-api.ts'
import { crdManifests, resourcePages } from './reference/resources.ts'
import { errorsPage, flagsPage, logFieldsPage, metricsPage, portsPage } from './reference/tables.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

const pages: Readonly<Record<string, string>> = {
  'docs/reference/errors.md': errorsPage(),
  'docs/reference/node-flags.md': flagsPage(),
  'docs/reference/metrics.md': metricsPage(),
  'docs/reference/log-fields.md': logFieldsPage(),
  'docs/reference/ports.md': portsPage(),
  'docs/reference/cli.md': cliPage(),
  'docs/reference/http-api.md': await httpApiPage(),
  'docs/doors.md': doorsPage(),
  ...resourcePages(),
  ...crdManifests(),
  ...dashboardFiles(),
}

const isCheck = process.argv.includes('--check')
const stale = Object.entries(pages).filter(([path, content]) => {
  const full = join(ROOT, path)
  return !existsSync(full) || readFileSync(full, 'utf8') !== content
})
for (const [path, content] of stale) {
  if (isCheck) {
    console.error(`${path} is not what it is made from; 'make fix' writes it`)
    continue
  }
  mkdirSync(dirname(join(ROOT, path)), { recursive: true })
  writeFileSync(join(ROOT, path), content)
  console.log(`wrote ${path}`)
}
process.exitCode = isCheck && stale.length > 0 ? 1 : 0
