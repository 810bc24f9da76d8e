/**
 * The engine of port.ts over the addon. The addon does the work; here errors get the product's codes, and what must not
 * overlap (a flush, the end of an install) is put in a row.
 */
import { closeSync, fsyncSync, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { type MemoryStoreHandle, native } from '@thermocline/native'
import { ByteReader, ERRORS, type ErrorCode, ThermoclineError, VALUE_ID_BYTES } from '@thermocline/protocol'
import type { BlockPosition, CheckEntry, Engine, EngineOptions, SnapshotHead, StorePressure } from './port.ts'

/** Flushed state of an engine without a folder. It outlives the engine, as a disk outlives a process. */
export class MemoryStore {
  /** @internal */
  readonly handle: MemoryStoreHandle = native.createMemoryStore()

  /** What `begin` asks of an engine over the store is answered once it proceeds, from what was there when it was asked. */
  defer<T>(begin: () => Promise<T>): { readonly answer: Promise<T>; readonly proceed: () => void } {
    const number = native.deferNext(this.handle)
    return { answer: begin(), proceed: () => native.proceed(this.handle, number) }
  }
}

export function createMemoryStore(): MemoryStore {
  return new MemoryStore()
}

export const checkEntry: CheckEntry = native.checkEntry

/** Gives an error of the addon its place in the table of codes; others pass as they are. */
function coded(error: unknown): unknown {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return error
  return Object.hasOwn(ERRORS, error.code) ? new ThermoclineError(error.code as ErrorCode, error.message, { cause: error }) : error
}

async function settled<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    throw coded(error)
  }
}

/** The part that ends a snapshot. */
const NO_MORE = new Uint8Array(0)

class NativeEngine implements Engine {
  private readonly id: number
  /** Ends when the last flush or install step ends; never rejects. */
  private exclusive: Promise<unknown> = Promise.resolve()

  private readonly onCorrupt: (message: string) => void
  private readonly onUnreadable: (error: Error) => void
  private readonly onFull: (error: Error) => void
  private readonly onFailure: (error: Error) => void

  constructor({ onCorrupt, onUnreadable, onFull, onFailure, ...options }: OpenOptions, store: MemoryStore | undefined) {
    this.onCorrupt = onCorrupt ?? (() => {})
    this.onUnreadable = onUnreadable ?? (() => {})
    this.onFull = onFull ?? (() => {})
    this.onFailure = onFailure ?? (() => {})
    this.id = native.open(options, store?.handle)
  }

  /** As `settled`, for work on what this engine has stored: damage found there is told, and a disk that fails. */
  private async stored<T>(work: Promise<T>): Promise<T> {
    try {
      return await settled(work)
    } catch (error) {
      if (error instanceof ThermoclineError && error.code === 'corrupt') this.onCorrupt(error.message)
      if (error instanceof ThermoclineError && error.code === 'internal') this.onUnreadable(error)
      throw error
    }
  }

  /** Runs a step that no other such step may overlap. */
  private alone<T>(step: () => T | Promise<T>): Promise<T> {
    const result = settled(this.exclusive.then(step))
    this.exclusive = result.catch(() => {})
    return result
  }

  positions(): BlockPosition[] {
    return native.positions(this.id)
  }

  apply(batch: Uint8Array, length: number, answers: Uint8Array): number {
    return native.apply(this.id, batch, length, answers)
  }

  refusal(): string {
    return native.refusal(this.id)
  }

  beginTurn(): void {
    native.beginTurn(this.id)
  }

  peek(block: number, request: Uint8Array, offset: number, length: number, out: Uint8Array): number {
    return native.peek(this.id, block, request, offset, length, out, 0)
  }

  peekAsync(block: number, request: Uint8Array, offset: number, length: number, out: Uint8Array): Promise<number> {
    return this.stored(native.peekAsync(this.id, block, request, offset, length, out))
  }

  get(block: number, request: Uint8Array, offset: number, length: number, out: Uint8Array, outOffset: number): number {
    return native.get(this.id, block, request, offset, length, out, outOffset)
  }

  getAsync(block: number, request: Uint8Array, offset: number, length: number): Promise<Uint8Array> {
    return this.stored(native.getAsync(this.id, block, request, offset, length))
  }

  scan(block: number, request: Uint8Array, offset: number, length: number, out: Uint8Array, outOffset: number): number {
    return native.scan(this.id, block, request, offset, length, out, outOffset)
  }

  scanAsync(block: number, request: Uint8Array, offset: number, length: number): Promise<Uint8Array> {
    return this.stored(native.scanAsync(this.id, block, request, offset, length))
  }

  pageVersions(block: number, request: Uint8Array, offset: number, length: number, out: Uint8Array, outOffset: number): number {
    return native.pageVersions(this.id, block, request, offset, length, out, outOffset)
  }

  pageVersionsAsync(block: number, request: Uint8Array, offset: number, length: number): Promise<Uint8Array> {
    return this.stored(native.pageVersionsAsync(this.id, block, request, offset, length))
  }

  validate(request: Uint8Array, offset: number, length: number, needs: Float64Array, count: number, out: Uint8Array): number {
    return native.validate(this.id, request, offset, length, needs, count, out)
  }

  validateAsync(request: Uint8Array, offset: number, length: number): Promise<Uint8Array> {
    return this.stored(native.validateAsync(this.id, request, offset, length))
  }

  appliedIndex(block: number): number {
    return native.appliedIndex(this.id, block)
  }

  digest(block: number): string {
    return native.digest(this.id, block)
  }

  requestTable(block: number): { readonly answers: number; readonly oldestIndex: number; readonly horizon: number } {
    return native.requestTable(this.id, block)
  }

  proposeHorizon(block: number, maxAnswers: number, beforeMs: number): number {
    return native.proposeHorizon(this.id, block, maxAnswers, Math.max(0, Math.floor(beforeMs)))
  }

  noteTime(nowMs: number): void {
    native.noteTime(this.id, Math.floor(nowMs))
  }

  staleBlocks(beforeMs: number, out: Uint32Array): number {
    return native.staleBlocks(this.id, Math.max(0, Math.floor(beforeMs)), out)
  }

  get answersRemembered(): number {
    return native.answersRemembered(this.id)
  }

  setRestoreGeneration(generation: number): void {
    native.setRestoreGeneration(this.id, generation)
  }

  rotationDue(): boolean {
    return native.rotationDue(this.id)
  }

  rotate(): void {
    native.rotate(this.id)
  }

  flush(): Promise<void> {
    return this.stored(this.alone(() => native.flush(this.id)))
  }

  flushedIndex(block: number): number {
    return native.flushedIndex(this.id, block)
  }

  flushNumber(): number {
    return native.flushNumber(this.id)
  }

  async snapshotOpen(blocks: readonly number[]): Promise<SnapshotHead> {
    let handle: number
    try {
      handle = native.snapshotOpen(this.id, Uint32Array.from(blocks))
    } catch (error) {
      throw coded(error)
    }
    try {
      const contents = []
      const list = new ByteReader(await this.stored(native.snapshotPlan(this.id, handle)))
      while (list.remaining > 0) contents.push({ block: list.u16(), index: list.u48(), valueId: list.take(VALUE_ID_BYTES) })
      return { handle, contents }
    } catch (error) {
      native.snapshotClose(this.id, handle)
      throw error
    }
  }

  snapshotRead(handle: number, maxBytes: number): Promise<Uint8Array> {
    return this.stored(native.snapshotRead(this.id, handle, maxBytes))
  }

  snapshotClose(handle: number): void {
    native.snapshotClose(this.id, handle)
  }

  installBegin(blocks: readonly number[]): Promise<number> {
    return this.alone(() => native.installBegin(this.id, Uint32Array.from(blocks)))
  }

  async installPart(install: number, part: Uint8Array): Promise<void> {
    try {
      await settled(native.installPart(this.id, install, part))
    } catch (error) {
      // Nothing that counts has changed yet. Damage came from the peer.
      if (error instanceof ThermoclineError && error.code === 'disk_full') this.onFull(error)
      if (error instanceof ThermoclineError && error.code === 'internal') this.onFailure(error)
      throw error
    }
  }

  installEnd(install: number): Promise<BlockPosition[]> {
    return this.alone(async () => {
      await this.installPart(install, NO_MORE)
      try {
        return await settled(native.installEnd(this.id, install))
      } catch (error) {
        // The blocks have left memory, and what the store holds of them is not known.
        this.onFailure(error as Error)
        throw error
      }
    })
  }

  installAbort(install: number): Promise<void> {
    return this.alone(() => native.installAbort(this.id, install))
  }

  tidy(): Promise<void> {
    return this.stored(native.tidy(this.id))
  }

  pressure(): StorePressure {
    return native.pressure(this.id)
  }

  stats(): Readonly<Record<string, number>> {
    return native.stats(this.id)
  }

  /** The options in force in RocksDB, as text per family. */
  storeOptions(): Readonly<Record<string, string>> {
    return native.storeOptions(this.id)
  }

  async close(): Promise<void> {
    await this.exclusive
    await settled(native.close(this.id))
  }
}

/**
 * Locks a file until the process ends: one process per data directory.
 * @throws ThermoclineError `locked`
 */
export function lockFile(path: string): void {
  try {
    native.lockFile(path)
  } catch (error) {
    throw coded(error)
  }
}

/** A new folder's name is durable before anything in it counts. */
function makeFolder(path: string): void {
  if (mkdirSync(path, { recursive: true }) === undefined) return
  const parent = openSync(dirname(path), 'r')
  try {
    fsyncSync(parent)
  } finally {
    closeSync(parent)
  }
}

export interface OpenOptions extends EngineOptions {
  /** Compare what entries ship of old records with what is stored and throw on a difference: for tests and simulation. */
  readonly verifyOldRecords?: boolean
  /** 16 bytes under which names and request ids are hashed: for the simulation, whose runs a seed repeats. Else they are random. */
  readonly hashKey?: Uint8Array
  /** What a read may step over on this thread and on another (native/src/steps.h): for tests and simulation, which make it small. */
  readonly readSteps?: number
  readonly taskSteps?: number
}

export type OpenedEngine = Engine & { storeOptions(): Readonly<Record<string, string>> }

/**
 * Opens an engine: over its folder, over a memory store that outlives it, or over one of its own.
 * @throws ThermoclineError `locked`, `unsupported_version` or `corrupt`
 */
export function openEngine(options: OpenOptions, store?: MemoryStore): OpenedEngine {
  try {
    if (options.path !== undefined) makeFolder(options.path)
    return new NativeEngine(options, store)
  } catch (error) {
    throw coded(error)
  }
}
