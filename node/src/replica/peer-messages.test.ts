import assert from 'node:assert/strict'
import { test } from 'node:test'
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
  messages.onFetch(7, 1)
  await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(
    errors.map(({ message }) => message),
    ['log segment 000001.log could not be read: EIO'],
  )
})
