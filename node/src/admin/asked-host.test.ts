import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type AllowedHosts, type AskedBy, allowedHosts, checkAskedBy } from './asked-host.ts'

const LOOPBACK = allowedHosts('127.0.0.1:7401', [])
const POD = allowedHosts('0.0.0.0:7401', [])

function passes(headers: AskedBy, allowed: AllowedHosts = LOOPBACK): void {
  checkAskedBy(headers, allowed)
}

function refuses(headers: AskedBy, message: RegExp, allowed: AllowedHosts = LOOPBACK): void {
  assert.throws(
    () => checkAskedBy(headers, allowed),
    (error) => (error as { code?: string }).code === 'forbidden' && message.test((error as Error).message),
  )
}

test('on loopback only names of loopback are answered, with any port', () => {
  for (const host of ['localhost', 'localhost:7401', 'LocalHost:1', '127.0.0.1:7401', '127.0.0.1', '[::1]:7401', '[::1]']) passes({ host })
  for (const host of [
    'evil.example',
    'evil.example:7401',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    '0.0.0.0',
    'localhost:7401:1',
    '',
  ])
    refuses({ host }, /^headers\.Host: .*expected one of localhost, 127\.0\.0\.1, \[::1\]; --allow-host adds names$/)
  refuses({}, /Host: is missing/)
  for (const listen of ['[::1]:7401', 'localhost:7401', '127.0.0.9:1']) refuses({ host: 'evil.example' }, /Host/, allowedHosts(listen, []))
})

test('names that the node is told of are answered; * is any', () => {
  const told = allowedHosts('127.0.0.1:7401', ['Box.local', '192.168.1.7'])
  passes({ host: 'box.local:7401' }, told)
  passes({ host: '192.168.1.7:7401' }, told)
  passes({ host: 'localhost' }, told)
  refuses({ host: 'evil.example' }, /box\.local, 192\.168\.1\.7/, told)
  passes({ host: 'evil.example' }, allowedHosts('127.0.0.1:7401', ['*']))
})

test('elsewhere than on loopback any name is answered, unless the node is told of some', () => {
  passes({ host: '10.1.2.3:7401' }, POD)
  passes({ host: 'orders-g0-0.orders-g0.shop.svc:7401' }, POD)
  refuses({ host: '10.1.2.3:7401' }, /Host/, allowedHosts('0.0.0.0:7401', ['db.example']))
})

test('pages of other sites may not ask, whatever they ask and wherever the port is', () => {
  for (const allowed of [LOOPBACK, POD]) {
    const host = '127.0.0.1:7401'
    passes({ host, origin: 'http://127.0.0.1:7401', 'sec-fetch-site': 'same-origin' }, allowed)
    passes({ host, 'sec-fetch-site': 'none' }, allowed)
    refuses({ host, 'sec-fetch-site': 'cross-site' }, /Sec-Fetch-Site: "cross-site"; expected same-origin or none/, allowed)
    refuses({ host, 'sec-fetch-site': 'same-site' }, /Sec-Fetch-Site/, allowed)
    for (const origin of ['http://evil.example', 'null', 'http://127.0.0.1.evil.example', 'file://', 'http://127.0.0.1:7401/path', ''])
      refuses({ host, origin }, /^headers\.Origin: /, allowed)
  }
  refuses({ host: 'pod:7401', origin: 'http://localhost:3000' }, /Origin/, POD)
  passes({ host: 'pod:7401', origin: 'http://POD:7401' }, POD)
})
