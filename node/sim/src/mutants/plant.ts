/** Plants a bug in the node: in its sources as they are loaded, in the addon by building another. */
import { fileURLToPath } from 'node:url'
import { type Edit, editsOf, type Mutant, plantEdits } from '@thermocline/simulation'
import { ADDON, buildMutantAddon, isNative, LOADER } from './mutant-addon.ts'
import { sourceOf } from './source-of.ts'

/** To be called before anything imports the files. */
export function plant(mutant: Mutant): void {
  const native = new Map<string, Edit[]>()
  const edits = new Map<string, Edit[]>()
  for (const [file, ofFile] of editsOf(mutant)) {
    if (isNative(file)) native.set(file, ofFile)
    else edits.set(sourceOf(file).href, ofFile)
  }
  if (native.size > 0) {
    const file = fileURLToPath(LOADER)
    edits.set(LOADER.href, [{ file, find: ADDON, replace: buildMutantAddon(mutant.name, native) }])
  }
  plantEdits(mutant.name, edits)
}
