import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sourceOf } from './source.ts'

test('one IPv4 address is a source, however it is written; of IPv6 a network is', () => {
  assert.equal(sourceOf('10.1.2.3'), '10.1.2.3')
  assert.equal(sourceOf('::ffff:10.1.2.3'), '10.1.2.3')
  assert.equal(sourceOf('2001:db8:1:2:3:4:5:6'), '2001:db8:1:2::/64')
  assert.equal(sourceOf('2001:db8:1:2::9'), sourceOf('2001:db8:1:2:ffff::1'))
  assert.equal(sourceOf('2001:db8::9'), '2001:db8:0:0::/64')
  assert.notEqual(sourceOf('2001:db8:1:2::9'), sourceOf('2001:db8:1:3::9'))
  assert.equal(sourceOf('fe80::1%eth0'), 'fe80:0:0:0::/64')
  assert.equal(sourceOf('::1'), '::1')
  assert.equal(sourceOf(undefined), 'unknown')
})
