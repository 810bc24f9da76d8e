export { EventQueue, settle, type TimedEvent } from './event-queue.ts'
export { type Edit, editsOf, type Mutant, mutate, plantEdits } from './planted-bugs.ts'
export { Random } from './random.ts'
