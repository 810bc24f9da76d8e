/** Processes by id and start time, so that a reused id is not taken for the process that had it before. */
import { readFileSync } from 'node:fs'

export interface ProcessRef {
  readonly pid: number
  /** Clock ticks after boot at which it started; empty where the system does not tell. */
  readonly startTime: string
}

/** The start time of a process, undefined if there is none such. */
export function startTimeOf(pid: number): string | undefined {
  try {
    process.kill(pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return undefined
  }
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    // Field 3 is the state; a zombie runs no more. Field 22 is the start time.
    return fields[0] === 'Z' ? undefined : fields[19]
  } catch {
    return ''
  }
}

export function refOf(pid: number): ProcessRef {
  return { pid, startTime: startTimeOf(pid) ?? '' }
}

/** True if that very process runs. */
export function isRunning({ pid, startTime }: ProcessRef): boolean {
  return startTimeOf(pid) === startTime
}
