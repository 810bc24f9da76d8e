import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nameOf, Outbox, Template } from './requests.ts'

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1')

test('the name of a page is written into a command', () => {
  const outbox = new Outbox()
  for (const page of [0, 7, 999_999, 4_294_967_295]) {
    outbox.page(new Template('get ', '\r\n'), page)
    assert.equal(text(outbox.take()), `get ${nameOf(page)}\r\n`)
  }
})

test('what was taken stays as it is, however much follows', () => {
  const outbox = new Outbox()
  outbox.bytes(Buffer.from('first'))
  const first = outbox.take()
  outbox.bytes(Buffer.from('begun '))
  outbox.bytes(Buffer.alloc(70_000, 'x'))
  const second = outbox.take()
  outbox.bytes(Buffer.alloc(200_000, 'y'))
  assert.equal(text(first), 'first')
  assert.equal(second.length, 70_006)
  assert.equal(text(second.subarray(0, 8)), 'begun xx')
  assert.equal(outbox.take().length, 200_000)
  assert.ok(outbox.isEmpty)
})
