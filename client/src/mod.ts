/** The client library of Thermocline: `connect`, then `put`, `get`, `scan` and the rest of `Client`. */
export {
  type ErrorCode,
  formatRecordId,
  type Outcome,
  parseRecordId,
  type RecordId,
  ThermoclineError,
  type Topology,
} from '@thermocline/protocol'
export type { PageVersions } from './calls.ts'
export {
  type BatchOp,
  type CallOptions,
  Client,
  connect,
  type DeleteOptions,
  type IdInput,
  type PutOptions,
  type ScanOptions,
  type ScanPage,
  type ScanPageOptions,
  type ValueInput,
} from './client.ts'
export type { ClientStats } from './dispatcher.ts'
export type { StoredRecord } from './gets.ts'
export type { ConnectOptions } from './options.ts'
