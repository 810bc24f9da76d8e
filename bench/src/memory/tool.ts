/** Where a peer's program is: scripts/peer-tools.sh finds or unpacks it. */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const SCRIPT = fileURLToPath(new URL('../../../scripts/peer-tools.sh', import.meta.url))

/** @throws Error with what the script says. */
export function findTool(name: 'redis-server' | 'memcached'): string {
  try {
    return join(execFileSync(SCRIPT, [name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim(), name)
  } catch (error) {
    throw new Error(`${name} cannot be had: ${(error as { stderr?: string }).stderr?.trim() ?? String(error)}`, { cause: error })
  }
}

/** What matches in what `--version` says. */
export function versionOf(tool: string, pattern: RegExp): string {
  return pattern.exec(execFileSync(tool, ['--version'], { encoding: 'utf8' }))?.[1] ?? 'unknown'
}
