/**
 * A memory node that believes its cache, which no memory node may (⚖17): to measure what validation costs. Takes the flags of
 * `thermocline node --role memory`. What is not held comes from the storage tier as ever.
 */
import { randomBytes } from 'node:crypto'
import { type Client, connect } from '@thermocline/client'
import { ByteReader, ByteWriter, PageVerdict } from '@thermocline/protocol'
import pino from 'pino'
import { Complaints } from '../src/doors/complaints.ts'
import { Traffic } from '../src/doors/traffic.ts'
import { osClock } from '../src/io/os/clock.ts'
import { TcpServer } from '../src/io/os/tcp-server.ts'
import { MEMORY_NODE_TRAFFIC, readMemoryConfig } from '../src/roles/memory/config.ts'
import { fetchHotPagesBy } from '../src/roles/memory/hot-pages.ts'
import { createMemoryHttp } from '../src/roles/memory/http.ts'
import { MemoryNode } from '../src/roles/memory/memory-node.ts'
import { openTier } from '../src/tier/tier.ts'

const NOTHING_HELD = 2 ** 48 - 1
/** Restore generation and patience come before the number of items. */
const ITEMS_AT = 5

/** "Unchanged", for all of them; undefined if something is not held. */
function believe(body: Uint8Array): Uint8Array | undefined {
  const reader = new ByteReader(body)
  const answer = new ByteWriter(body.length)
  reader.skip(ITEMS_AT)
  const items = reader.u16()
  answer.u16(items)
  for (let left = items; left > 0; left--) {
    reader.skip(2)
    reader.skip(reader.u16())
    answer.u8(0)
    answer.u48(1)
    for (let pages = reader.u8(); pages > 0; pages--) {
      reader.u48()
      if (reader.u48() === NOTHING_HELD) return undefined
      answer.u8(PageVerdict.unchanged)
    }
  }
  return answer.copy()
}

async function connectAndBelieve(options: Parameters<typeof connect>[0]): Promise<Client> {
  const client = await connect(options)
  const ask = client.validate.bind(client)
  client.validate = async (body, ...rest) => believe(body) ?? (await ask(body, ...rest))
  return client
}

const config = readMemoryConfig(process.argv.slice(2), process.env)
const log = pino({ level: config.logLevel })
const world = {
  clock: osClock,
  server: new TcpServer(),
  openTier,
  fetchHotPages: fetchHotPagesBy(osClock),
  traffic: new Traffic(MEMORY_NODE_TRAFFIC),
  complaints: new Complaints((what, fields) => log.warn(fields, what), osClock.every),
  randomHex: (bytes: number) => randomBytes(bytes).toString('hex'),
  connect: connectAndBelieve,
  log,
}
const node = new MemoryNode(config, world)
node.httpAddress = await (await createMemoryHttp(node, config, world)).listen(config.http)
await node.start()
