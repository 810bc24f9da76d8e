/**
 * The memory tier's state: the cache, the requests that wait, the validations that they travel in. No IO and no clock of its
 * own: frames of requests go in, bodies of `Operation.validate` come out by lane and storage group, their answers go in, and frames
 * of responses come out (native/src/memory_tier.h).
 */
import { type NativeTierOptions, type NativeTierStats, native } from '@thermocline/native'
import { ERRORS, type ErrorCode, type Placement } from '@thermocline/protocol'

/** What keeps fast validations from waiting for slow ones. */
export const Lane = {
  /** All pages of all series are held. */
  held: 0,
  /** Some page is not held, and comes with the answer. */
  missing: 1,
  /** One series, which the storage tier could not answer at once: it waits there. */
  patient: 2,
} as const

export const LANES = 3

/** Of a cache; a page’s hash names its ring. */
export const RINGS = 64

const HEAD_BYTES = 4
/** More than any validation takes: native/src/memory_tier.cc bounds it. */
const VALIDATION_BYTES = 4 * 1024 * 1024
const FRAMES_BYTES = 256 * 1024
/** Room for frames beyond this is given back. */
const MOST_FRAMES_BYTES = 4 * 1024 * 1024

export interface Begun {
  readonly number: number
  /** Valid until the next call of `begin`. */
  readonly body: Uint8Array
}

export class Tier {
  private readonly id: number
  private readonly out = new Uint8Array(VALIDATION_BYTES)
  private readonly head = new DataView(this.out.buffer)
  private frames = new Uint8Array(FRAMES_BYTES)

  /** @throws an error with code `disk_full`, `locked` or `ERR_OUT_OF_RANGE`. */
  constructor(options: NativeTierOptions) {
    this.id = native.tierOpen(options)
  }

  /** The storage group of each block: validations gather by it. Before that is known nothing may be taken. */
  setOwners(owner: Placement['owner'], groups: number): void {
    native.tierOwners(this.id, new Uint8Array(Uint16Array.from(owner).buffer), groups)
  }

  /** What is older than this is the storage tier's; 0: nothing is. */
  setNewerThan(ms: number): void {
    native.tierNewerThan(this.id, ms)
  }

  /** The requests of a frame after its head. @throws an error with code `bad_frame`: the connection is lost. */
  take(connection: number, frame: Uint8Array, offset: number, length: number, count: number, nowSeconds: number): void {
    native.tierTake(this.id, connection, frame, offset, length, count, nowSeconds)
  }

  /** The connection is gone: nobody waits there any more. */
  forget(connection: number): void {
    native.tierForget(this.id, connection)
  }

  /** Series that wait for a validation to begin. */
  waiting(group: number, lane: number): number {
    return native.tierWaiting(this.id, group, lane)
  }

  /** Closes the open validation: who comes from now on waits for the next (⚖17). Undefined if nothing waits. */
  begin(group: number, lane: number, nowSeconds: number): Begun | undefined {
    const number = native.tierBegin(this.id, group, lane, nowSeconds, this.out)
    return number === 0 ? undefined : { number, body: this.out.subarray(HEAD_BYTES, HEAD_BYTES + this.head.getUint32(0, true)) }
  }

  /** The storage tier's answer. @throws an error with code `bad_frame` if it is malformed; whoever waited has been told. */
  finish(validation: number, answer: Uint8Array, nowSeconds: number): void {
    native.tierFinish(this.id, validation, answer, 0, answer.length, nowSeconds)
  }

  /** There is no answer. @param argument of the error: for `overloaded`, when to ask again, in ms. */
  fail(validation: number, code: ErrorCode, message: string, argument = 0): void {
    native.tierFail(this.id, validation, ERRORS[code].number, argument, message)
  }

  /** Connections that have responses since the last call. */
  dirty(): number[] {
    return native.tierDirty(this.id)
  }

  /** Frames of all responses of a connection; valid until the next call. */
  flush(connection: number, epoch: number): Uint8Array {
    if (this.frames.length > MOST_FRAMES_BYTES) this.frames = new Uint8Array(FRAMES_BYTES)
    const written = native.tierFlush(this.id, connection, epoch, this.frames)
    if (written >= 0) return this.frames.subarray(0, written)
    this.frames = new Uint8Array(2 * (-2 - written))
    return this.frames.subarray(0, native.tierFlush(this.id, connection, epoch, this.frames))
  }

  /**
   * Hot pages of a ring whose blocks `owner` has by the table, and where to go on: from position 0 to position 0, in pieces of
   * bounded work. Pages travel as they stand in the cache.
   */
  copyHot(ring: number, position: number, owners: Placement['owner'], owner: number): { position: number; pages: Uint8Array } {
    return native.tierCopyHot(this.id, ring, position, new Uint8Array(Uint16Array.from(owners).buffer), owner)
  }

  /** What `copyHot` of another tier of this owner gave. @returns how many were new. @throws an error with code `bad_frame`. */
  putHot(pages: Uint8Array, nowSeconds: number): number {
    return native.tierPutHot(this.id, pages, nowSeconds)
  }

  stats(): NativeTierStats {
    return native.tierStats(this.id)
  }

  close(): void {
    native.tierClose(this.id)
  }
}

export const openTier = (options: NativeTierOptions): Tier => new Tier(options)
