/** The files that the house rules speak of: everything that is kept in version control, read once. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** What a rule has to say about a place, and how to mend it. */
export interface Finding {
  /** Relative to the root, with a line where there is one. */
  readonly place: string
  readonly what: string
  readonly fix: string
}

export interface SourceFile {
  /** Relative to the root, with slashes. */
  readonly path: string
  readonly text: string
}

const SKIPPED_FOLDERS = new Set(['.git', '.cache', 'node_modules', 'build', 'dist', 'thermocline-data'])
const TEXT = /\.(?:ts|cc|h|md|sh|json|ya?ml|gyp|go|txt|svg|html)$|(?:^|\/)(?:Makefile|Dockerfile|thermocline|run|\.\w+)$/

export function readTree(root: string = ROOT): SourceFile[] {
  const files: SourceFile[] = []
  const walk = (folder: string): void => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const full = join(folder, entry.name)
      if (entry.isDirectory() && !SKIPPED_FOLDERS.has(entry.name)) walk(full)
      if (!entry.isFile() || !TEXT.test(full)) continue
      // A work tree's .git is a file.
      if (entry.name !== '.git') files.push({ path: relative(root, full), text: readFileSync(full, 'utf8') })
    }
  }
  walk(root)
  return files.sort((a, b) => (a.path < b.path ? -1 : 1))
}

export const existsInTree = (path: string): boolean => existsSync(join(ROOT, path))
export const isTest = (path: string): boolean => /\.(?:test|fixture)\.ts$/.test(path)

/** The text with comments and the insides of strings blanked, line for line: what a word search must not stumble over. */
export function codeOf(text: string): string {
  const blank = (part: string) => part.replace(/[^\n]/g, ' ')
  const token = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"/g
  return text.replace(token, blank)
}

export function lineOf(text: string, at: number): number {
  let line = 1
  for (let i = text.indexOf('\n'); i !== -1 && i < at; i = text.indexOf('\n', i + 1)) line++
  return line
}
