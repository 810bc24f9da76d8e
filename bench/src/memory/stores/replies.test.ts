import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { MemcachedParser } from './memcached-text.ts'
import type { OnReply, Reply, ReplyParser } from './replies.ts'
import { RespParser } from './resp.ts'

type Maker = (onReply: OnReply) => ReplyParser

const resp: Maker = (onReply) => new RespParser(onReply)
const memcached: Maker = (onReply) => new MemcachedParser(onReply)

/** Feeds text that is cut at the given places. */
function parse(make: Maker, text: string, cuts: readonly number[] = []): Reply[] {
  const replies: Reply[] = []
  const parser = make((reply) => replies.push({ ...reply }))
  const bytes = Buffer.from(text, 'latin1')
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].toSorted((a, b) => a - b)
  for (let at = 1; at < places.length; at++) {
    // A connection's buffer is larger than what is in it, and is used again.
    const chunk = Buffer.alloc(bytes.length + 10, 'x')
    bytes.copy(chunk, 0, places[at - 1], places[at])
    parser.push(chunk, (places[at] as number) - (places[at - 1] as number))
  }
  return replies
}

const reply = (rest: Partial<Reply>): Reply => ({ values: 0, bytes: 0, integer: 0, error: undefined, ...rest })

/** A piece of a conversation and what is found in it. Values hold what could be taken for the protocol. */
interface Piece {
  readonly text: string
  readonly found: Reply
}

const value = fc.constantFrom('', 'x', '\r\n', '$3\r\n', 'END\r\n', '*2\r\n', 'VALUE a 0 1\r\n', 'v'.repeat(200))
const values = fc.array(fc.option(value), { minLength: 1, maxLength: 5 })
const found = (some: readonly (string | null)[]): Reply => {
  const there = some.filter((one) => one !== null)
  return reply({ values: there.length, bytes: there.reduce((sum, { length }) => sum + length, 0) })
}
const bulk = (text: string | null): string => (text === null ? '$-1\r\n' : `$${text.length}\r\n${text}\r\n`)

const respPiece: fc.Arbitrary<Piece> = fc.oneof(
  fc.constant({ text: '+OK\r\n', found: reply({}) }),
  fc.constant({ text: '-ERR wrong $1 *2 kind\r\n', found: reply({ error: 'ERR wrong $1 *2 kind' }) }),
  fc.integer({ min: -5, max: 5000 }).map((integer) => ({ text: `:${integer}\r\n`, found: reply({ integer }) })),
  fc.option(value).map((text) => ({ text: bulk(text), found: found([text]) })),
  values.map((some) => ({ text: `*${some.length}\r\n${some.map(bulk).join('')}`, found: found(some) })),
  fc.constantFrom('*0\r\n', '*-1\r\n').map((text) => ({ text, found: reply({}) })),
)

const memcachedPiece: fc.Arbitrary<Piece> = fc.oneof(
  fc.constant({ text: 'STORED\r\n', found: reply({}) }),
  fc.constantFrom('ERROR', 'CLIENT_ERROR bad data chunk', 'SERVER_ERROR out of memory storing object', 'NOT_STORED').map((error) => ({
    text: `${error}\r\n`,
    found: reply({ error }),
  })),
  values.map((some) => {
    const lines = some.flatMap((one, at) => (one === null ? [] : [`VALUE bench-000000000${at} 0 ${one.length}\r\n${one}\r\n`]))
    return { text: `${lines.join('')}END\r\n`, found: found(some) }
  }),
)

for (const [name, make, piece] of [
  ['RESP', resp, respPiece],
  ['memcached', memcached, memcachedPiece],
] as const) {
  test(`${name}: replies are the same however the stream is cut`, () => {
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 6 }), fc.array(fc.nat(2000), { maxLength: 30 }), (pieces, cuts) => {
        const text = pieces.map((one) => one.text).join('')
        assert.deepEqual(
          parse(make, text, cuts),
          pieces.map((one) => one.found),
        )
      }),
      { numRuns: 500 },
    )
  })

  test(`${name}: byte by byte`, () => {
    for (const { text, found: wanted } of fc.sample(piece, 50))
      assert.deepEqual(parse(make, text, [...Array(text.length).keys()]), [wanted])
  })
}

test('another protocol is refused, not waited for', () => {
  assert.throws(() => parse(resp, 'HTTP/1.1 400 Bad Request\r\n'), /RESP: unexpected byte 72 \("H"\)/)
  assert.throws(() => parse(memcached, 'HTTP/1.1 400 Bad Request\r\n'), /memcached: unexpected byte 72/)
})
