/** Plants a bug: the files' sources are changed as they are loaded; what stands on disk is untouched. */
import { registerHooks } from 'node:module'
import { fileURLToPath } from 'node:url'
import { ADDON, buildMutantAddon, isNative, LOADER } from './mutant-addon.ts'
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

/** To be called before anything imports the files. */
export function plant(mutant: Mutant): void {
  const all = [...editsOf(mutant)]
  const native = new Map(all.filter(([file]) => isNative({ file })))
  const edits = new Map(all.filter(([file]) => !isNative({ file })).map(([file, ofFile]) => [sourceOf({ file }).href, ofFile]))
  if (native.size > 0) {
    const file = fileURLToPath(LOADER)
    edits.set(LOADER.href, [{ file, find: ADDON, replace: buildMutantAddon(mutant.name, native) }])
  }
  registerHooks({
    load: (target, context, nextLoad) => {
      const loaded = nextLoad(target, context)
      const ofFile = edits.get(target)
      return ofFile === undefined ? loaded : { ...loaded, source: mutate(String(loaded.source), mutant.name, ofFile) }
    },
  })
}
