export { check, type Result, type Verdict } from './check.ts'
export type { Model, Operation } from './model.ts'
export { type Condition, type RecordInput, type RecordOutput, type RecordState, recordModel } from './record.ts'
export { type RegisterInput, type RegisterOutput, registerModel } from './register.ts'
