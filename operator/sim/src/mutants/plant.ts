/** Plants a bug in the operator. */
import { editsOf, type Mutant, plantEdits } from '@thermocline/simulation'

const SOURCES = new URL('../../../src/', import.meta.url)

/** Of a planted bug's file. */
export function sourceOf(file: string): URL {
  return new URL(file, SOURCES)
}

/** To be called before anything imports the files. */
export function plant(mutant: Mutant): void {
  plantEdits(mutant.name, new Map([...editsOf(mutant)].map(([file, edits]) => [sourceOf(file).href, edits])))
}
