/** The generated files of the dashboards, by path. */
import { grafanaJson } from './dashboard.ts'
import { MEMORY_DASHBOARD } from './memory.ts'
import { OPERATOR_DASHBOARD } from './operator.ts'
import { STORAGE_DASHBOARD } from './storage.ts'

export const DASHBOARDS = [STORAGE_DASHBOARD, MEMORY_DASHBOARD, OPERATOR_DASHBOARD] as const

export const dashboardFiles = (): Record<string, string> =>
  Object.fromEntries(DASHBOARDS.map((one) => [`charts/thermocline/files/dashboards/${one.name}.json`, grafanaJson(one)]))
