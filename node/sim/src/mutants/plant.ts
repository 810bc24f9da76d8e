/** Plants a bug: the file's source is changed as it is loaded; what stands on disk is untouched. */
import { registerHooks } from 'node:module'
import type { Mutant } from './mutants.ts'

const SOURCES = new URL('../../../src/', import.meta.url)

export function sourceOf({ file }: Mutant): URL {
  return new URL(file, SOURCES)
}

/** The changed source. @throws Error if the text to change does not stand there exactly once. */
export function mutate(source: string, { name, file, find, replace }: Mutant): string {
  const places = source.split(find).length - 1
  if (places !== 1) throw new Error(`mutant ${name}: its text stands ${places} times in ${file}; expected once. Bring it up to date`)
  return source.replace(find, () => replace)
}

/** To be called before anything imports the file. */
export function plant(mutant: Mutant): void {
  const url = sourceOf(mutant).href
  registerHooks({
    load: (target, context, nextLoad) => {
      const loaded = nextLoad(target, context)
      if (target !== url) return loaded
      return { ...loaded, source: mutate(String(loaded.source), mutant) }
    },
  })
}
