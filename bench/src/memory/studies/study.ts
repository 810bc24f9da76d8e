/** One question about the memory tier that no peer answers: what it measures becomes a part of the results, and a plot in docs. */
import type { DatasetFiles } from '../dataset.ts'
import type { Say } from '../peers.ts'

export interface StudyContext {
  readonly folder: string
  readonly dataset: DatasetFiles
  /** Of each step. */
  readonly seconds: number
  readonly say: Say
}

export interface Study {
  readonly name: string
  /** @throws Error if something that must not fail does. */
  run(context: StudyContext): Promise<object>
}
