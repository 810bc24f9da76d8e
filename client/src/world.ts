/**
 * The world as a client sees it: `os/` is the real one, the simulator has its own. Nothing else here reads a clock, draws a random
 * number or opens a connection.
 */
import type { Clock } from '@thermocline/protocol'

export interface ClientWorld {
  readonly clock: Clock
  /** From 0 to below 1. */
  random(): number
  /** Unpredictable bytes: they name the client. */
  randomBytes(count: number): Uint8Array
  /** Begins to connect; what becomes of that comes by the events, after this has returned. */
  openStream(host: string, port: number, events: ClientStreamEvents): ClientStream
}

export interface ClientStreamEvents {
  onOpen(): void
  /** The bytes may be overwritten once this returns. */
  onData(bytes: Uint8Array): void
  /** Once, and last: it could not be opened, was lost, or this side has closed it. */
  onClose(reason: string, cause?: unknown): void
}

/** A connection, or the attempt to make one. */
export interface ClientStream {
  /** Sends the bytes; while some are unsent afterwards, they must not change. */
  write(bytes: Uint8Array): void
  /** Bytes that the kernel has not taken yet. */
  readonly unsentBytes: number
  /** Closes once what is unsent has gone; the process does not wait for that. */
  closeSoon(): void
  /** Closes at once, if it does not close already. */
  close(): void
}
