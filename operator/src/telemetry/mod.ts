/** What the operator tells Prometheus and probes. */
export { createHealthServer, type HealthOptions } from './health-server.ts'
export { type ConditionStatus, OperatorMetrics, type PaxosGroupFigures, type ReconcileResult } from './metrics.ts'
