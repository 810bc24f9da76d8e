/**
 * The world as the node sees it: clock, chance, disk and network. `io/os` is the real one; the simulator has its own.
 * Nothing else in the node reads a clock, draws a random number or touches a file or socket; a house rule holds that for clock and
 * chance (scripts/tidy/clock-and-chance.ts).
 */
export type { Clock } from '@thermocline/protocol'

export interface LogFile {
  /**
   * Writes at `offset`; `done` is called once the bytes are durable, or with the error that makes the store unusable.
   * One write at a time per file; `bytes` must not change until then.
   */
  write(bytes: Uint8Array, offset: number, done: (error: Error | undefined) => void): void
  read(offset: number, length: number): Promise<Uint8Array>
  close(): Promise<void>
}

/** The folder of log segments. Every change is durable when its promise resolves. */
export interface LogFolder {
  list(): Promise<string[]>
  open(name: string): Promise<LogFile>
  /** A new file of `bytes` zeros. Rejects with a cause whose `code` is ENOSPC when the volume is full. */
  create(name: string, bytes: number): Promise<LogFile>
  remove(name: string): Promise<void>
}

/** Small files that are replaced as a whole: identity, topology. */
export interface StateFiles {
  read(name: string): Promise<Uint8Array | undefined>
  replace(name: string, bytes: Uint8Array): Promise<void>
}

/** A connection's bytes, both ways. */
export interface ByteStream {
  /** Sends the bytes, which may change afterwards. */
  write(bytes: Uint8Array): void
  /** Bytes that the kernel has not taken yet. */
  readonly unsentBytes: number
  /** Until `resume` nothing is read. */
  pause(): void
  resume(): void
  /** Tells the other side that nothing more comes after what is unsent. What it sends is still read. */
  end(): void
  /** Closes once all has been sent, or the other side has taken too long. */
  closeSoon(): void
  /** Closes at once; `onClose` comes in a later turn. @param reason what it is told. */
  close(reason?: string): void
  readonly isClosed: boolean
}

export interface ByteStreamEvents {
  /** The bytes stay as they are; they may share an array of up to 64 KiB with what else the turn has read. */
  onData(bytes: Uint8Array): void
  /** The kernel has taken all that was sent. */
  onDrain?(): void
  /** Once, and last. */
  onClose(reason: string): void
}

/** A connection that has come, until somebody knows whose it is and takes it. */
export interface IncomingStream {
  readonly remoteAddress: string | undefined
  /** Tells what comes, and the end, until the connection is taken. Once. */
  follow(events: { onData(bytes: Uint8Array): void; onClose(): void }): void
  /** Sends the bytes, and that nothing more comes. */
  end(bytes: Uint8Array): void
  /** Closes at once. */
  close(): void
  readonly isClosed: boolean
  /**
   * Takes the connection over. What was told already is the caller's.
   * @throws Error if this process may open no more descriptors, or the connection is gone; it is closed then.
   */
  take(events: ByteStreamEvents): ByteStream
}

/** A port that others connect to. */
export interface StreamServer {
  /** @returns the address in use. @throws ThermoclineError `port_in_use`. */
  listen(address: string, onStream: (stream: IncomingStream) => void): Promise<string>
  /** Nobody connects any more. Resolves once no connection is left that nobody has taken. */
  close(): Promise<void>
}

/** One established connection to a peer; frames arrive whole and in order. */
export interface PeerLink {
  /** Sends bytes of whole frames; the link copies them. */
  send(bytes: Uint8Array): void
  /** Closes once what was sent has gone, or it takes too long. */
  close(): void
  /** Closes at once, whatever is unsent. */
  abort(): void
  /** Bytes accepted by `send` and not yet taken by the network. */
  readonly bufferedBytes: number
}

export interface PeerLinkEvents {
  /** A chunk of the stream; it is never overwritten. */
  onData(chunk: Uint8Array): void
  onClose(reason: string): void
  /** The decoder of what comes by the link: what it holds counts against the node's bound. */
  readonly decoder: { readonly heldBytes: number; readonly frames: number }
}

/**
 * Keeps one connection per peer: replica numbers above the own are dialled by them, those below by us. One that brings nothing for
 * seconds is closed, and dialled anew: an address that has moved or a path that is cut is not told otherwise for a quarter of an hour.
 */
export interface PeerNetwork {
  /** Starts dialling the peers that this replica dials; `onLink` is called for every connection, dialled or accepted. */
  start(onLink: (link: PeerLink, replica: number | undefined) => PeerLinkEvents): void
  /**
   * Dials a replica once, at its address of now, beside the connection that is kept to it: to ask something. `onFailed` is called
   * if it cannot be reached. The connection is closed after a few seconds, if neither side has done so before.
   */
  reach(replica: number, onLink: (link: PeerLink) => PeerLinkEvents, onFailed: () => void): void
  /** Where each replica listens now; dialling uses it from the next attempt on. */
  setAddresses(addresses: readonly (string | undefined)[]): void
  stop(): void
}
