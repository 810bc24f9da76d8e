/**
 * What measuring etcd takes: Debian's packages of the server, of Go, and of etcd's Go client, and our loader built with
 * them. As root with apt they are installed (their services are not started); else the error says what to run.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const SOURCE = fileURLToPath(new URL('../../peers/etcd-loader/main.go', import.meta.url))
const GO = '/usr/lib/go-1.19/bin/go'
/** Package → a file that it installs. */
const PACKAGES: Readonly<Record<string, string>> = {
  'etcd-server': '/usr/bin/etcd',
  'golang-1.19-go': GO,
  'golang-etcd-server-dev': '/usr/share/gocode/src/go.etcd.io/etcd/clientv3/client.go',
}
/** How much of the hash of its source names a loader: trees of different commits share the cache. */
const HASH_DIGITS = 12
const POLICY = '/usr/sbin/policy-rc.d'

/** Packages that have to be installed before etcd can be measured. */
export function missingPackages(): string[] {
  return Object.keys(PACKAGES).filter((name) => !existsSync(PACKAGES[name] as string))
}

/** Installs what is missing and builds the loader unless it is there. Returns the loader's path. @throws Error */
export function setUpEtcd(say: (line: string) => void): string {
  const missing = missingPackages()
  if (missing.length > 0) install(missing, say)
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'thermocline-bench')
  const loader = join(cache, `etcd-loader-${createHash('sha256').update(readFileSync(SOURCE)).digest('hex').slice(0, HASH_DIGITS)}`)
  if (existsSync(loader)) return loader
  say('building the loader for etcd')
  mkdirSync(cache, { recursive: true })
  const env = { ...process.env, GO111MODULE: 'off', GOPATH: '/usr/share/gocode', GOCACHE: join(cache, 'go'), GOFLAGS: '' }
  const unfinished = `${loader}.${process.pid}`
  execFileSync(GO, ['build', '-o', unfinished, SOURCE], { env, stdio: ['ignore', 'inherit', 'inherit'] })
  renameSync(unfinished, loader)
  return loader
}

function install(packages: readonly string[], say: (line: string) => void): void {
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) {
    throw new Error(
      `measuring beside etcd needs ${packages.join(', ')} of Debian 12, and root to install them:\n  sudo apt-get install --no-install-recommends ${packages.join(' ')}`,
    )
  }
  say(`installing ${packages.join(', ')} through apt`)
  // Debian starts a service as it installs it, unless this file says no.
  const holdsServices = !existsSync(POLICY)
  if (holdsServices) writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  try {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    const stdio: ['ignore', 'ignore', 'inherit'] = ['ignore', 'ignore', 'inherit']
    execFileSync('apt-get', ['update', '-qq'], { env, stdio })
    execFileSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], { env, stdio })
  } finally {
    if (holdsServices) rmSync(POLICY)
  }
}
