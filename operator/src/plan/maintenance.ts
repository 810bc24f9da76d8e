/** Maintenance windows: weekly, in UTC, also over midnight and the end of the week. */
import { DAYS, type MaintenanceWindow } from '../api/paxos-group.ts'
import { parseDuration } from '../api/quantity.ts'

const DAY_MS = 86_400_000
const WEEK_MS = 7 * DAY_MS
/** 1970-01-05 was a Monday. */
const FIRST_MONDAY_MS = 4 * DAY_MS

/** True without windows: then any time will do. */
export function isOpen(windows: readonly MaintenanceWindow[], nowMs: number): boolean {
  return windows.length === 0 || windows.some((window) => opensAgo(window, nowMs) < (parseDuration(window.duration) as number))
}

/** Milliseconds until one opens; 0 if one is open. */
export function untilOpenMs(windows: readonly MaintenanceWindow[], nowMs: number): number {
  if (isOpen(windows, nowMs)) return 0
  return Math.min(...windows.flatMap((window) => starts(window).map((start) => (start - sinceMonday(nowMs) + WEEK_MS) % WEEK_MS)))
}

function opensAgo(window: MaintenanceWindow, nowMs: number): number {
  return Math.min(...starts(window).map((start) => (sinceMonday(nowMs) - start + WEEK_MS) % WEEK_MS))
}

/** When it opens, in milliseconds since Monday 00:00. */
function starts({ days, start }: MaintenanceWindow): number[] {
  const [hours = 0, minutes = 0] = start.split(':').map(Number)
  return days.map((day) => DAYS.indexOf(day) * DAY_MS + hours * 3_600_000 + minutes * 60_000)
}

function sinceMonday(nowMs: number): number {
  return (((nowMs - FIRST_MONDAY_MS) % WEEK_MS) + WEEK_MS) % WEEK_MS
}
