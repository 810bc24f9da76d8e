/** Something that can be put under load. */
import type { Sample } from './sample.ts'
import type { Workload } from './workloads.ts'

export interface System<W = Workload> {
  readonly name: string
  readonly version: string
  /** All server processes: their CPU time counts. */
  readonly pids: readonly number[]
  /** Cores that its loader can use at most. */
  readonly loaderThreads: number
  load(workload: W, seconds: number): Promise<Sample>
  stop(): Promise<void>
}
