/** One question about the storage tier under failures and overload: what it measures becomes a part of the results. */

export interface StudyContext {
  /** On a disk; the study's clusters keep their data in it. */
  readonly folder: string
  /** How long each phase lasts. */
  readonly seconds: number
  readonly dataset: Dataset
  readonly say: (line: string) => void
}

/** The data that is stored before the load begins. Each series has the same number of records, spread evenly over `slices` slices of time. */
export interface Dataset {
  readonly series: number
  readonly recordsPerSeries: number
  readonly slices: number
}

export interface Study {
  readonly name: string
  /** @throws Error if a request failed that must not, or a cluster did not come to rest. */
  run(context: StudyContext): Promise<object>
}
