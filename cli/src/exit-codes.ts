/** What the process says with its exit code; `thermocline help exit-codes` is written from this. */
import type { ErrorCode } from '@thermocline/protocol'

export const ExitCode = {
  ok: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  preconditionFailed: 4,
  outcomeUnknown: 5,
  unavailable: 6,
} as const

export const EXIT_CODES_HELP = `
Exit codes:
  0  done                         4  a condition did not hold
  1  failed                       5  the write may or may not have happened
  2  wrong usage or argument      6  the cluster does not answer
  3  there is no such record`

export function exitCodeOf(code: ErrorCode, outcome: 'not' | 'maybe' | 'did'): number {
  switch (code) {
    case 'invalid_argument':
    case 'wrong_cluster':
    case 'locked':
    case 'port_in_use':
      return ExitCode.usage
    case 'not_found':
      return ExitCode.notFound
    case 'precondition_failed':
      return ExitCode.preconditionFailed
    case 'unknown':
      return ExitCode.outcomeUnknown
    case 'unavailable':
    case 'busy':
    case 'overloaded':
      return ExitCode.unavailable
    case 'deadline_exceeded':
    case 'cancelled':
      return outcome === 'maybe' ? ExitCode.outcomeUnknown : ExitCode.unavailable
    default:
      return ExitCode.failed
  }
}
