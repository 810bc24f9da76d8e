/** Sees the calls of a client of the library from inside: what each sends, and every answer that comes to it, beside what its caller is told. */
import type { Client } from '@thermocline/client'
import type { Call, Dispatcher } from '@thermocline/client/internal'
import { readErrorBody } from '@thermocline/protocol'

export interface CallEvents {
  onStart(call: Call): void
  /** An attempt is put on the wire; the bytes are the caller's. */
  onSent(call: Call, body: Uint8Array): void
  /** `error` is 0 or an error number. */
  onAnswer(call: Call, error: number, index: number): void
}

const dispatcherOf = (client: Client): Dispatcher => (client as unknown as { dispatcher: Dispatcher }).dispatcher

/** The index that the client would stamp a write to the block with; 0 if it knows none. */
export const stampOf = (client: Client, block: number): number => Math.max(0, dispatcherOf(client).stamps.of(block))

export function followCalls(client: Client, events: CallEvents): void {
  const dispatcher = dispatcherOf(client)
  const start = dispatcher.start.bind(dispatcher)
  dispatcher.start = (call, signal) => {
    events.onStart(call)
    const encode = call.encode.bind(call)
    call.encode = (writer) => {
      const at = writer.length
      encode(writer)
      events.onSent(call, writer.bytes.slice(at, writer.length))
    }
    start(call, signal)
  }
  const onAnswer = dispatcher.onAnswer.bind(dispatcher)
  dispatcher.onAnswer = (connection, call, current, error, reader) => {
    if (call.block >= 0) {
      const { at } = reader
      const index = error === 0 ? reader.u48() : readErrorBody(reader).index
      reader.at = at
      events.onAnswer(call, error, index)
    }
    onAnswer(connection, call, current, error, reader)
  }
}
