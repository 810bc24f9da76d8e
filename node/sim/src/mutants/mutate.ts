/** What a planted bug makes of a source. */
import type { Edit, Mutant } from './mutants.ts'

const SOURCES = new URL('../../../src/', import.meta.url)

export function sourceOf({ file }: Pick<Edit, 'file'>): URL {
  return new URL(file, SOURCES)
}

/** The places that the bug changes, by file. */
export function editsOf(mutant: Mutant): Map<string, Edit[]> {
  return Map.groupBy([mutant, ...(mutant.also ?? [])], ({ file }) => file)
}

/** The changed source. @throws Error if a text to change does not stand there exactly once. */
export function mutate(source: string, name: string, edits: readonly Edit[]): string {
  let changed = source
  for (const { file, find, replace } of edits) {
    const places = changed.split(find).length - 1
    if (places !== 1) throw new Error(`mutant ${name}: its text stands ${places} times in ${file}; expected once. Bring it up to date`)
    changed = changed.replace(find, () => replace)
  }
  return changed
}
