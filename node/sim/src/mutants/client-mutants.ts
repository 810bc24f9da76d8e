/** Planted bugs of the client library, and of the data port that it talks to. */
import type { Mutant } from '@thermocline/simulation'

const CLIENT = '../../client/src'
const PROTOCOL = '../../protocol/src'

export const CLIENT_MUTANTS: readonly Mutant[] = [
  {
    name: 'restamped-although-unresolved',
    file: `${CLIENT}/dispatcher.ts`,
    find: '    if (call.unresolved > 0) {\n',
    replace: '    if (false) {\n',
    caughtBy: ['refused-is-not-applied'],
    seed: 21,
    why: '⚖9: a write whose first attempt may have been applied is sent as a new request',
  },
  {
    name: 'each-attempt-a-request',
    file: `${CLIENT}/calls.ts`,
    find: '    requestId.set(this.clientId)\n',
    replace: '    requestId.set(this.clientId)\n    this.counter += 2 ** 40\n',
    caughtBy: ['refused-is-not-applied', 'first-answer'],
    why: '⚖9: each attempt of a write has an id of its own',
  },
  {
    name: 'lost-taken-for-refused',
    file: `${CLIENT}/dispatcher.ts`,
    find: '    call.unresolved++\n',
    replace: '',
    caughtBy: ['refused-is-not-applied'],
    why: 'a caller is told that a write was not applied although an attempt was never answered',
  },
  {
    name: 'value-in-the-read-buffer',
    file: `${PROTOCOL}/operations.ts`,
    find: '  return { version, value: copyBytes(reader, reader.u32()) }\n',
    replace: '  return { version, value: reader.take(reader.u32()) }\n',
    caughtBy: ['linearizable'],
    why: 'what was read is a view of the buffer that the next chunk overwrites',
  },
  {
    name: 'split-frame-cut-short',
    file: `${PROTOCOL}/frame-decoder.ts`,
    find: '    this.pendingLength = left\n',
    replace: '    this.pendingLength = Math.min(left, LENGTH_BYTES)\n',
    caughtBy: ['no-protocol-violation', 'no-crash', 'converges'],
    why: 'of a frame that came in several chunks the first is forgotten, but for its length',
  },
]
