/**
 * The addon, typed as it is: plain functions over an engine's number, which only `node/src/engine` uses (what they do
 * stands in `node/src/engine/port.ts`), and for `node/src/io` durable writes and sockets.
 */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

/** Flushed state in memory; outlives the engines opened over it. */
export interface MemoryStoreHandle {
  readonly memoryStoreHandle: never
}

export interface NativeOptions {
  readonly path?: string | undefined
  readonly sliceDurationMs: number
  readonly memtableBytes: number
  readonly blockCacheBytes: number
  readonly versionCachePath?: string | undefined
  readonly versionCacheBytes: number
  readonly incarnation: string
  /** 16 bytes under which the names of series are hashed; random if undefined. */
  readonly hashKey?: Uint8Array | undefined
  /** Compare what entries ship of old records with what is stored, and throw on a difference. */
  readonly verifyOldRecords?: boolean | undefined
  /** What a read may step over, on this thread and on another (steps.h has the defaults). */
  readonly readSteps?: number | undefined
  readonly taskSteps?: number | undefined
}

export interface NativeTierOptions {
  /** A file on tmpfs; empty keeps the cache in process memory. */
  readonly path?: string | undefined
  readonly owner: string
  readonly cacheBytes: number
  /** Names this process: what it has written is not checked again. */
  readonly boot: number
  readonly sliceDurationMs: number
  readonly restoreGeneration: number
  /** 16 bytes under which the names of series are hashed, where the cache begins empty; random if undefined. */
  readonly hashKey?: Uint8Array | undefined
}

export interface NativeRing {
  readonly hits: number
  readonly misses: number
  readonly evictions: number
  readonly torn: number
  readonly bytes: number
  readonly oldestSeconds: number
}

export interface NativeTierStats {
  readonly requests: number
  readonly waiting: number
  readonly joined: number
  readonly again: number
  readonly answered: number
  readonly notCached: number
  readonly refused: number
  readonly overloaded: number
  readonly validations: number
  readonly series: number
  readonly pages: number
  readonly lookedUp: number
  readonly found: number
  readonly later: number
  readonly unchanged: number
  readonly absent: number
  readonly records: number
  readonly page: number
  readonly large: number
  readonly cacheBytes: number
  readonly warm: number
  readonly rings: readonly NativeRing[]
}

export interface NativePosition {
  readonly block: number
  readonly index: number
  readonly valueId: Uint8Array
  readonly horizon: number
}

type Read = (
  engine: number,
  block: number,
  request: Uint8Array,
  offset: number,
  length: number,
  out: Uint8Array,
  outOffset: number,
) => number

type ReadAsync = (engine: number, block: number, request: Uint8Array, offset: number, length: number) => Promise<Uint8Array>

export interface Native {
  createMemoryStore(): MemoryStoreHandle
  /** The number under which the next work on the store waits. */
  deferNext(store: MemoryStoreHandle): number
  proceed(store: MemoryStoreHandle, number: number): void
  open(options: NativeOptions, store: MemoryStoreHandle | undefined): number
  close(engine: number): Promise<void>
  /** Bytes of answers, or −1 − the place of the entry that could not be applied. */
  apply(engine: number, batch: Uint8Array, length: number, answers: Uint8Array): number
  refusal(engine: number): string
  /** What is wrong with entry `index` of a block; undefined: nothing. */
  checkEntry(block: number, index: number, entry: Uint8Array): string | undefined
  beginTurn(engine: number): void
  peek: Read
  get: Read
  scan: Read
  pageVersions: Read
  validate(engine: number, request: Uint8Array, offset: number, length: number, needs: Float64Array, count: number, out: Uint8Array): number
  validateAsync(engine: number, request: Uint8Array, offset: number, length: number): Promise<Uint8Array>
  peekAsync(engine: number, block: number, request: Uint8Array, offset: number, length: number, out: Uint8Array): Promise<number>
  getAsync: ReadAsync
  scanAsync: ReadAsync
  pageVersionsAsync: ReadAsync
  positions(engine: number): NativePosition[]
  appliedIndex(engine: number, block: number): number
  flushedIndex(engine: number, block: number): number
  flushNumber(engine: number): number
  digest(engine: number, block: number): string
  requestTable(engine: number, block: number): { answers: number; oldestIndex: number; horizon: number }
  proposeHorizon(engine: number, block: number, maxAnswers: number, beforeMs: number): number
  noteTime(engine: number, nowMs: number): void
  staleBlocks(engine: number, beforeMs: number, out: Uint32Array): number
  answersRemembered(engine: number): number
  setRestoreGeneration(engine: number, generation: number): void
  rotationDue(engine: number): boolean
  rotate(engine: number): void
  /** Undefined if nothing is frozen. */
  flush(engine: number): Promise<void> | undefined
  /** Blocks come in ascending order. */
  snapshotOpen(engine: number, blocks: Uint32Array): number
  /** The blocks that are in it: `(u16 block | u48 index | 28 bytes value id)*`. */
  snapshotPlan(engine: number, snapshot: number): Promise<Uint8Array>
  snapshotRead(engine: number, snapshot: number, maxBytes: number): Promise<Uint8Array>
  snapshotClose(engine: number, snapshot: number): void
  installBegin(engine: number, blocks: Uint32Array): number
  installPart(engine: number, install: number, part: Uint8Array): Promise<void>
  installEnd(engine: number, install: number): Promise<NativePosition[]>
  installAbort(engine: number, install: number): void
  tidy(engine: number): Promise<void>
  pressure(engine: number): { level0Tables: number; pendingCompactionBytes: number }
  stats(engine: number): Record<string, number>
  /** The options in force in RocksDB, as text per family; empty over a memory store. */
  storeOptions(engine: number): Record<string, string>
  /** The memory tier (native/src/memory_tier.h), typed as it is; what these do stands in node/src/tier/tier.ts. */
  tierOpen(options: NativeTierOptions): number
  tierClose(tier: number): void
  tierOwners(tier: number, owners: Uint8Array, groups: number): void
  tierNewerThan(tier: number, ms: number): void
  tierTake(tier: number, connection: number, frame: Uint8Array, offset: number, length: number, count: number, nowSeconds: number): void
  tierForget(tier: number, connection: number): void
  tierWaiting(tier: number, group: number, lane: number): number
  tierBegin(tier: number, group: number, lane: number, nowSeconds: number, out: Uint8Array): number
  tierFinish(tier: number, validation: number, answer: Uint8Array, offset: number, length: number, nowSeconds: number): void
  tierFail(tier: number, validation: number, error: number, argument: number, message: string): void
  tierDirty(tier: number): number[]
  tierFlush(tier: number, connection: number, epoch: number, out: Uint8Array): number
  tierCopyHot(tier: number, ring: number, position: number, owners: Uint8Array, owner: number): { position: number; pages: Uint8Array }
  tierPutHot(tier: number, pages: Uint8Array, nowSeconds: number): number
  tierStats(tier: number): NativeTierStats
  /** Waits for the work that runs on the addon's threads, and drops what waits for one. */
  stopThreads(): void
  /** Locks a file until the process ends. @throws an error with code `locked` if another process holds it. */
  lockFile(path: string): void
  /** Sockets of the addon (native/src/sockets.h), typed as they are; what these do stands in node/src/io/os/tcp-stream.ts. */
  socketsOpen(input: Uint8Array, events: Uint32Array, onTurn: (count: number) => void): void
  socketAdopt(file: number): number
  socketWrite(socket: number, bytes: Uint8Array): number
  socketRead(socket: number, isOn: boolean): void
  socketEnd(socket: number): void
  socketClose(socket: number): void
  /** A descriptor for `writeDirect`; −1 if this system or file system cannot do such writes. */
  openDirect(path: string): number
  /**
   * Copies `bytes` and writes them past the page cache; `done` is called when they are durable, with how many were written
   * or a negative error number. Length and offset are multiples of 512. Returns 0, 1 if the hand-over has waited, or a negative
   * error number if the write could not begin; `done` is not called then. Waits while the device's queue is full, unless a thread makes the write.
   */
  writeDirect(file: number, bytes: Uint8Array, offset: number, done: (result: number) => void, byThread: boolean): number
}

/** The one with sanitizers if Node was started with `--conditions=sanitized`, which scripts/sanitized.sh does: no setting of the product chooses it. */
const file = fileURLToPath(import.meta.resolve('#addon'))

function load(): Native {
  if (!existsSync(file)) throw new Error(`the addon ${file} is not built: run \`make setup\``)
  const addon = createRequire(import.meta.url)(file) as Native
  // An exit takes apart what the threads use, and waits for none of them.
  process.once('exit', () => addon.stopThreads())
  return addon
}

export const native: Native = load()
