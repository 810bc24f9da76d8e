/** Something that can be put under load. */
import type { Sample } from './sample.ts'
import type { Workload } from './workloads.ts'

export interface System {
  readonly name: string
  readonly version: string
  /** All server processes: their CPU time counts. */
  readonly pids: readonly number[]
  load(workload: Workload, seconds: number): Promise<Sample>
  stop(): Promise<void>
}
