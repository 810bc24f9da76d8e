/** Plants a bug: the files' sources are changed as they are loaded; what stands on disk is untouched. */
import { registerHooks } from 'node:module'
import { fileURLToPath } from 'node:url'
import { ADDON, buildMutantAddon, isNative, LOADER } from './mutant-addon.ts'
import type { Mutant } from './mutants.ts'
import { editsOf, mutate, sourceOf } from './mutate.ts'

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
