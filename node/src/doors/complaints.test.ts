import assert from 'node:assert/strict'
import { test } from 'node:test'
import { COMPLAINT_SPAN_MS, Complaints, type Fields, MAX_SOURCES } from './complaints.ts'

function fixture() {
  const lines: { what: string; fields: Fields }[] = []
  let tick: (() => void) | undefined
  const complaints = new Complaints(
    (what, fields) => lines.push({ what, fields }),
    (everyMs, run) => {
      assert.equal(everyMs, COMPLAINT_SPAN_MS)
      tick = run
      return () => {
        tick = undefined
      }
    },
  )
  return { lines, complaints, second: () => tick?.(), isTicking: () => tick !== undefined }
}

test('the first is told at once, the rest of a second in one line', () => {
  const { lines, complaints, second, isTicking } = fixture()
  for (let i = 1; i <= 3000; i++) complaints.report('10.0.0.1', 'a client connection was closed', { message: `no ${i}` })
  assert.deepEqual(lines[0], { what: 'a client connection was closed', fields: { remote: '10.0.0.1', message: 'no 1' } })
  assert.equal(lines.length, 1)
  second()
  assert.deepEqual(lines[1]?.fields, { remote: '10.0.0.1', times: 2999, message: 'no 3000' })
  assert.equal(lines.length, 2)
  complaints.report('10.0.0.1', 'a client connection was closed', {})
  assert.equal(lines.length, 2, 'it goes on: it is counted')
  second()
  assert.equal(lines[2]?.fields.times, 1)
  second()
  assert.equal(lines.length, 3)
  assert.equal(isTicking(), false)
  complaints.report('10.0.0.1', 'a client connection was closed', {})
  assert.equal(lines.length, 4)
})

test('each source is told of; beyond a bound they are counted as one', () => {
  const { lines, complaints, second } = fixture()
  for (let times = 0; times < 3; times++)
    for (let i = 0; i < 1000; i++) complaints.report(`10.0.${i >> 8}.${i & 255}`, 'a client connection was closed', {})
  assert.equal(lines.length, MAX_SOURCES + 1)
  second()
  assert.equal(lines.length, 2 * (MAX_SOURCES + 1))
  const times = lines.map(({ fields }) => Number(fields.times ?? 1))
  assert.equal(
    times.reduce((sum, one) => sum + one, 0),
    3000,
  )
})
