/** Libraries that are preloaded into a node to watch its system calls, or to make them fail. */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'

/** Compiles a source of this package, like `fail-writes/fail-writes.c`, into `folder`; returns the library's path. */
export function buildPreload(source: string, folder: string): string {
  const library = join(folder, 'preload.so')
  execFileSync('gcc', ['-shared', '-fPIC', '-O1', '-o', library, join(import.meta.dirname, source), '-ldl'])
  return library
}
