import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FetchStatus } from '../paxos/messages.ts'
import { PeerMessages, type PeerMessagesOptions } from './peer-messages.ts'
import type { Peer } from './peers.ts'

test('an entry that the disk does not give back to serve it ends the store, with what was wrong', async () => {
  const errors: Error[] = []
  const options: Partial<PeerMessagesOptions> = {
    core: { block: () => ({ chosen: 3, snapshotIndex: 0 }) } as unknown as PeerMessagesOptions['core'],
    reader: { dropAnswer: () => {} } as unknown as PeerMessagesOptions['reader'],
    readEntry: () => Promise.reject(new Error('log segment 000001.log could not be read: EIO')),
    onUnreadable: (error) => errors.push(error),
  }
  const messages = new PeerMessages(options as PeerMessagesOptions)
  messages.begin({ replica: 2 } as Peer)
  messages.onFetch(7, 1, 5)
  await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(
    errors.map(({ message }) => message),
    ['log segment 000001.log could not be read: EIO'],
  )
})

test('what the log holds below a snapshot is not handed on: it may be what was accepted there, not what was chosen', async () => {
  const read: number[] = []
  const said: string[] = []
  const messages = {
    entriesBegin: (_out: unknown, block: number, from: number) => said.push(`entries of ${block} from ${from}`),
    entry: (_out: unknown, _process: number, counter: number) => said.push(`entry ${counter}`),
    entriesEnd: (_out: unknown, _at: number, count: number, chosen: number, status: number) =>
      said.push(`${count} up to ${chosen}, status ${status}`),
  }
  const core = { block: () => ({ chosen: 5, snapshotIndex: 4 }), outbox: { messages, now: () => ({}) } }
  const options: Partial<PeerMessagesOptions> = {
    core: core as unknown as PeerMessagesOptions['core'],
    reader: { dropAnswer: () => {} } as unknown as PeerMessagesOptions['reader'],
    readEntry: (_block, instance) => {
      read.push(instance)
      return Promise.resolve({ valueProcess: 1, valueCounter: instance, entry: new Uint8Array(1) })
    },
    soon: () => {},
  }
  const served = new PeerMessages(options as PeerMessagesOptions)
  served.begin({ replica: 2 } as Peer)
  for (const from of [4, 5]) {
    served.onFetch(7, from, 5)
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.deepEqual(read, [5])
  assert.deepEqual(said, [
    'entries of 7 from 4',
    `0 up to 5, status ${FetchStatus.needsSnapshot}`,
    'entries of 7 from 5',
    'entry 5',
    `1 up to 5, status ${FetchStatus.ok}`,
  ])
})
