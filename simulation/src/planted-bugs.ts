/**
 * Planted bugs: each breaks one rule by a change of shipped code, and names the invariant that must catch it. A simulator
 * that misses one of them would miss the same mistake made by hand. Where several defences hold one rule, the bug has to
 * break all of them, so that the rule itself is broken.
 */
import { registerHooks } from 'node:module'

export interface Edit {
  /** Path from the sources that the simulator runs. */
  readonly file: string
  /** Stands exactly once in the file. */
  readonly find: string
  readonly replace: string
}

export interface Mutant extends Edit {
  readonly name: string
  /** The other places, of a bug that takes several. */
  readonly also?: readonly Edit[]
  /** What must report it first: one invariant, or those that see the same mistake. */
  readonly caughtBy: readonly string[]
  /** One that catches it, tried first, where the seeds before it take long. */
  readonly seed?: number
  readonly why: string
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

/**
 * Changes sources as they are loaded; what stands on disk is untouched. To be called before anything imports them.
 * @param edits by URL of the source.
 */
export function plantEdits(name: string, edits: ReadonlyMap<string, readonly Edit[]>): void {
  registerHooks({
    load: (target, context, nextLoad) => {
      const loaded = nextLoad(target, context)
      const ofFile = edits.get(target)
      return ofFile === undefined ? loaded : { ...loaded, source: mutate(String(loaded.source), name, ofFile) }
    },
  })
}
