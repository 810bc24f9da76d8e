const SOURCES = new URL('../../../src/', import.meta.url)

/** Of a planted bug's file. */
export function sourceOf(file: string): URL {
  return new URL(file, SOURCES)
}
