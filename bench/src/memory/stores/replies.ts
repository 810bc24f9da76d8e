/** What a parser of a text protocol finds, whichever that is: no more than a loader needs, and nothing is copied. */

export interface Reply {
  /** Values, and their bytes; a missing one is not counted. */
  values: number
  bytes: number
  /** The number that a reply of Redis carries, else 0. */
  integer: number
  error: string | undefined
}

/** Takes what a connection received, cut anywhere, and calls for each complete reply. The reply is used again for the next. */
export interface ReplyParser {
  push(chunk: Uint8Array, length: number): void
}

export type OnReply = (reply: Reply) => void

/** The server speaks another language than the parser: a bug, or another server. */
export function unexpected(what: string, byte: number): Error {
  return new Error(`${what}: unexpected byte ${byte} (${JSON.stringify(String.fromCharCode(byte))})`)
}
