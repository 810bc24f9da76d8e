/**
 * Every field of the node's log lines: docs/reference/log-fields.md is written from this, and the house rules compare it
 * with the calls. Lines are JSON, one per event; `msg` says in a sentence what happened and what follows from it.
 */
export const LOG_FIELDS = {
  level: 'How much it matters: 10 trace, 20 debug, 30 info, 40 warn, 50 error, 60 fatal.',
  time: 'Milliseconds since 1970.',
  msg: 'What happened.',
  role: 'What this node is, if it is a memory node: memory.',
  group: 'Storage group of this node; of a memory node, its memory group.',
  replica: 'Slot of this node in its group.',
  machine: 'Of a memory node, its number in its group.',
  data: 'Address of the data port.',
  http: 'Address of the HTTP port.',
  state: 'State of the node: starting, joining, learning, serving, stopping, failed; of a memory node also warming.',
  signal: 'The signal that asks for the stop.',
  epoch: 'Epoch of a topology.',
  reason: 'Why, in words.',
  error: 'The message of an error; of a bug, its stack.',
  err: 'The same as an object (type, message, stack), for failed HTTP requests.',
  reqId: 'Number of an HTTP request.',
  what: 'Which rule of the protocol a peer broke.',
  code: 'Code of the error a client connection was closed with: see errors.md.',
  message: 'Its message.',
  unsentBytes: 'Answers that a client has not read.',
  replayMs: 'How long the replay of the log took.',
  writes: 'Writes of the log that were read in the replay.',
  entries: 'Entries in them that were not on disk yet and were taken in again.',
  lastWrite: 'Number of the last whole write that the log held at the start.',
  pages: 'Pages that a memory node took over from its peers.',
  bytes: 'Their bytes.',
  tookMs: 'How long that took.',
  cutTail: 'True if the log ended in a write that was never finished, as after a power cut.',
} as const
