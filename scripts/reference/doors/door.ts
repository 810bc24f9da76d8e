/** One way in: what docs/doors.md says of it. */
export interface Door {
  /** Who may send it. */
  readonly from: string
  /** In which state it is expected; otherwise it is refused or ignored. */
  readonly expected: string
  /** What it may change on disk. */
  readonly changes: string
  /** Bytes, count, time. */
  readonly bounds: string
}

export const NOTHING = 'nothing'
