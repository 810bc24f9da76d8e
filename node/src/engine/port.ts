/**
 * The engine: applied state of one node, all blocks. A memory component (C0: series → pages → records) takes what
 * chosen entries say; `rotate` freezes it and `flush` writes it to sorted tables that are added to RocksDB atomically,
 * so what is on disk is always a consistent cut at the last flush. Nothing here is durable before `flush`: the shared
 * log is (design §4.3).
 *
 * One thread calls these methods; only what returns a promise runs elsewhere. Bytes go in and come out packed:
 * integers little-endian, u48 as u32 low + u16 high, record ids as 8 big-endian bytes, `series` as u16 length + bytes.
 * Layouts of entries stand in protocol/src/entry.ts, of request bodies in protocol/src/client-messages.ts.
 *
 * Failures: arguments of the wrong kind throw a TypeError; a malformed request or entry throws a RangeError (code
 * `bad_frame`), and has then changed nothing. A write that fails half-way (a flush, or an entry whose old records
 * contradict the state) poisons the engine: it applies and flushes no more, and the process has to restart.
 */

/** Returned by reads that the memory component and the block cache cannot answer, or only by a long way over removals; call the async twin. */
export const NEEDS_IO = -1

export interface EngineOptions {
  /** Folder of the RocksDB instance; undefined keeps flushed state in memory (simulator and tests). */
  readonly path?: string
  /** Page id = floor(ms / sliceDurationMs). */
  readonly sliceDurationMs: number
  /** Bytes of C0 at which `rotate` is due; two of them may exist while one is being flushed. */
  readonly memtableBytes: number
  readonly blockCacheBytes: number
  /** A file that outlives the process (tmpfs); undefined keeps the version cache in process memory. */
  readonly versionCachePath?: string
  readonly versionCacheBytes: number
  /** What is stored failed a checksum: nothing of it was answered, and the state as a whole cannot be trusted any more. */
  readonly onCorrupt?: (message: string) => void
  /** The disk failed under what is stored: that one call was rejected, and what it read may be read again later. */
  readonly onUnreadable?: (error: Error) => void
  /** There is no room for a snapshot that is being installed: the block is as it was, and a later attempt may find some. */
  readonly onFull?: (error: Error) => void
  /** A snapshot that is being installed could not be written: the process must end. */
  readonly onFailure?: (error: Error) => void
  /** Binds the version cache to its volume: cluster id, group, replica and incarnation as text (⚖14). */
  readonly incarnation: string
}

export interface BlockPosition {
  readonly block: number
  /** Index of the last applied entry. */
  readonly index: number
  /** Its value id, 28 bytes (protocol/src/process-id.ts). */
  readonly valueId: Uint8Array
  readonly horizon: number
}

export interface SnapshotHead {
  readonly handle: number
  /** What is in it, in ascending order of blocks; `index` is the position as of the last flush. */
  readonly contents: readonly { readonly block: number; readonly index: number; readonly valueId: Uint8Array }[]
}

/** What tells that tables come in faster than they are merged: the worst figures of the store's families. */
export interface StorePressure {
  readonly level0Tables: number
  readonly pendingCompactionBytes: number
}

/**
 * What is wrong with an entry that is to become entry `index` of a block, in words; undefined if nothing is. Called before a
 * vote for the entry, before the entry is learned, and by nothing that may trust it already.
 */
export type CheckEntry = (block: number, index: number, entry: Uint8Array) => string | undefined

export interface Engine {
  /** Positions of all blocks that ever applied something: at open, what is on disk; later, what is applied. */
  positions(): BlockPosition[]

  /**
   * Applies chosen entries, in order: `u32 count | (u16 block | u48 index | 28 bytes value id | u8 want answers | u32
   * length | entry)*`. An entry must be the block's next one; anything else is a bug and throws.
   * Writes for each request of each entry that wants answers `u8 outcome | u48 index | 8 bytes detail` to `answers`
   * (15 bytes each, in order) and returns how many bytes that took; outcome 0 is ok, else an error number
   * (entry.ts says which; a request refused as `bad_stamp` or `expired` is answered with this entry's index and a detail
   * of zeros). Throws RangeError before applying anything if `answers` is too small (15 × requests).
   * Returns −1 − i if the batch's entry i cannot be applied, because it is malformed or contradicts what is here: `refusal`
   * says why, the entries before it are applied and answered, and those after it are not. Its block is then broken: it
   * applies nothing more until an install replaces it, and its content is undefined.
   */
  apply(batch: Uint8Array, length: number, answers: Uint8Array): number

  /** Why the last batch was not applied to its end. */
  refusal(): string

  /** A turn of the event loop begins: what reads may step over together, before they are sent to another thread, begins anew. */
  beginTurn(): void

  /**
   * What a proposer must know to put one write (body of `Operation.write` at `request[offset, offset + length)`) into
   * an entry at the block's current applied index. Writes to `out`:
   * `u8 known (1: this request id is answered: the 15 bytes of its answer follow) | 15 bytes | u16 ops | (u8 exists |
   * u48 version | u32 size | 8 bytes hash)*`; the hash is the digest element that apply subtracts (entry.ts "old hash").
   * Returns the bytes written, or NEEDS_IO. `out` must hold 18 + 19 × ops bytes. A known request comes with 0 ops. The
   * record of an append is looked up under the id in the request, like any other: fill in the id to be tried first.
   */
  peek(block: number, request: Uint8Array, offset: number, length: number, out: Uint8Array): number
  /** As `peek`, from disk. Valid only if the block applied nothing since the call: compare `appliedIndex`. */
  peekAsync(block: number, request: Uint8Array, offset: number, length: number, out: Uint8Array): Promise<number>

  /**
   * Answers the body of `Operation.get` (at `request[offset, offset + length)`) with the body of its response, written
   * at `out[outOffset…]`. Returns the bytes written, NEEDS_IO, or −2 − (bytes needed) if `out` is too small.
   * An absent record is version 0 with a length of 0.
   */
  get(block: number, request: Uint8Array, offset: number, length: number, out: Uint8Array, outOffset: number): number
  /** As `get`, from disk; one consistent state of the block. Resolves to the response's body. */
  getAsync(block: number, request: Uint8Array, offset: number, length: number): Promise<Uint8Array>

  /**
   * As `get`, for `Operation.scan`; ends the chunk at SCAN_CHUNK_BYTES and MAX_SCAN_RECORDS. A limit of 0 leaves it to
   * these, or where it has stepped over too much; from > to finds nothing. With `more`, `next` is the first id not returned, or,
   * where finding that would cost a disk read or a long walk over removals, an id before it in the direction of the scan: going on
   * from there misses and repeats nothing, but a chunk may be empty.
   */
  scan(block: number, request: Uint8Array, offset: number, length: number, out: Uint8Array, outOffset: number): number
  scanAsync(block: number, request: Uint8Array, offset: number, length: number): Promise<Uint8Array>

  /** As `get`, for `Operation.pageVersions`: from the version cache, else from page headers. */
  pageVersions(block: number, request: Uint8Array, offset: number, length: number, out: Uint8Array, outOffset: number): number
  pageVersionsAsync(block: number, request: Uint8Array, offset: number, length: number): Promise<Uint8Array>

  /**
   * Answers the body of `Operation.validate`: item i is answered once its block has applied `needs[i]` entries, and by memory
   * alone, as long as the answer is not too long for a frame and nothing has to be stepped over for long; else, or with a negative need, its answer is "later". Returns the bytes written to `out`, or −2 − (bytes needed).
   */
  validate(request: Uint8Array, offset: number, length: number, needs: Float64Array, count: number, out: Uint8Array): number
  /** As `validate`, of a body with one item, from disk; one consistent state of the block. A page that takes too many steps counts as large. */
  validateAsync(request: Uint8Array, offset: number, length: number): Promise<Uint8Array>

  /** Index of the last entry applied to the block, 0 if none. */
  appliedIndex(block: number): number
  /** The block's incremental multiset hash at its applied index, 16 hexadecimal digits (design §4.4). */
  digest(block: number): string
  /** Table size and oldest answer of a block: what the proposer chooses the next horizon by. */
  requestTable(block: number): { readonly answers: number; readonly oldestIndex: number; readonly horizon: number }
  /**
   * The horizon an entry proposed now should carry: the smallest that leaves at most `maxAnswers` answers in the block
   * and none that was applied here before `beforeMs`, by the clock of `noteTime`; never below the block's current one.
   */
  proposeHorizon(block: number, maxAnswers: number, beforeMs: number): number

  /** The caller's clock, which never goes back: answers applied from now on are as old as this. Those found at open count as of the first call. */
  noteTime(nowMs: number): void
  /**
   * Blocks that remember an answer applied before `beforeMs`: some of them, behind `out[0]`, which says where the search
   * begins and goes on at the next call (0 at first and after the last block). Returns how many.
   */
  staleBlocks(beforeMs: number, out: Uint32Array): number
  /** Answers in the request table, of all blocks together. */
  readonly answersRemembered: number

  /** The generation of the cluster’s history, as the topology names it: what a cache holds from another one counts for nothing. */
  setRestoreGeneration(generation: number): void

  /** True if C0 has reached its size: rotate, sync the log past the marks of everything applied, then flush (⚖11). */
  rotationDue(): boolean
  /** Freezes C0. Throws if a frozen one is not flushed yet. */
  rotate(): void
  /**
   * Makes the frozen C0 durable: tables written, synced and added to all families at once. Then C0 is released.
   * Nothing frozen: done at once. Flushes and ends of installs queue behind each other. Rejected as `disk_full`, nothing
   * happened and it may be called again; after any other failure the engine is poisoned.
   */
  flush(): Promise<void>
  /** Positions as of the last finished flush: what a restart would find. */
  flushedIndex(block: number): number
  /** Number of the last finished flush. It stands with the flushed state and never goes back, unless that state did. */
  flushNumber(): number

  /**
   * Opens a snapshot of a batch of blocks, in ascending order, MAX_BATCH_BLOCKS at most, as of the last flush; at most 64 are open
   * at a time, then it rejects as `overloaded`. In it are those of which something is flushed, as many from the first on as
   * 64 MiB take; a block that is larger is in it alone.
   */
  snapshotOpen(blocks: readonly number[]): Promise<SnapshotHead>
  /** The next part of at most about `maxBytes`, empty at the end. Parts carry a version and their own checksum. */
  snapshotRead(handle: number, maxBytes: number): Promise<Uint8Array>
  snapshotClose(handle: number): void

  /**
   * Replaces a batch of blocks, in ascending order, by a snapshot of exactly these from a peer: nothing of them may be applied in
   * between (`apply` throws). `installBegin` gives the number of the install. `installEnd` checks that all parts came and that the
   * digest of each block is the one in its position (else it rejects as `corrupt`, and the install can only be aborted), makes the
   * new content of all blocks durable and current at once, and returns their positions, which are the flushed ones too. The old
   * content stays as it is until then, also after a crash or `installAbort`; but from the begin to the end reads of the blocks throw
   * `unavailable` and validations of them say "later". The caller brackets the install with log records (⚖13). Parts go in
   * order, one at a time.
   */
  installBegin(blocks: readonly number[]): Promise<number>
  installPart(install: number, part: Uint8Array): Promise<void>
  installEnd(install: number): Promise<BlockPosition[]>
  installAbort(install: number): Promise<void>

  /**
   * Merges small tables that lie side by side where compaction never looks at them again: what installs leave behind. To be called
   * now and then after installs; there may be nothing to do.
   */
  tidy(): Promise<void>
  /** Cheap enough to be asked some times a second. */
  pressure(): StorePressure

  /** Current figures, by name: bytes of memory per part, cache hits and misses, RocksDB properties. */
  stats(): Readonly<Record<string, number>>
  /** Waits for background work, closes files. Further calls throw. Does not flush: what a crash loses is lost here too. */
  close(): Promise<void>
}
