export { checkEntry, createMemoryStore, lockFile, type MemoryStore, type OpenedEngine, type OpenOptions, openEngine } from './engine.ts'
export { type BlockPosition, type CheckEntry, type Engine, type EngineOptions, NEEDS_IO, type SnapshotHead } from './port.ts'
