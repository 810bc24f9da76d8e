import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ThermoclineError } from '@thermocline/protocol'
import { readConfig } from './config.ts'
import { readMemoryConfig } from './roles/memory/config.ts'

const needed = ['--data', '/d', '--replica', '1', '--cluster', 'ab'.repeat(16)]

test('flags win over the environment, which wins over defaults', () => {
  const config = readConfig([...needed, '--memory', '1GiB'], { THERMOCLINE_MEMORY: '256MiB', THERMOCLINE_LISTEN: '127.0.0.1:9' })
  assert.equal(config.memoryBytes, 1024 ** 3)
  assert.equal(config.listen, '127.0.0.1:9')
  assert.equal(config.http, '127.0.0.1:7401')
})

test('the replica is the number that ends the host’s name, if that is asked for', () => {
  const args = ['--data', '/d', '--replica', 'hostname', '--cluster', 'ab'.repeat(16)]
  assert.equal(readConfig(args, {}, 'orders-g12-2').replica, 2)
  assert.throws(() => readConfig(args, {}, 'laptop'), /--replica: "hostname, which is laptop": expected a whole number/)
})

const wrong: readonly [string[], RegExp][] = [
  [['--data', '/d', '--cluster', 'ab'.repeat(16)], /^--replica: is required/],
  [[...needed, '--replica', '5'], /^--replica: "5": expected at most 4/],
  [[...needed, '--replica', '-1'], /--replica/],
  [[...needed, '--cluster', 'xyz'], /^--cluster: "xyz": expected 32 hexadecimal digits/],
  [[...needed, '--memory', 'lots'], /^--memory: "lots": expected bytes, or a number with KiB, MiB or GiB/],
  [[...needed, '--memory', '1MiB'], /^--memory: "1MiB": expected at least 128MiB/],
  [[...needed, '--role', 'king'], /^--role: "king": expected storage/],
  [[...needed, '--listen', 'nowhere'], /^--listen: "nowhere": expected host:port/],
  [[...needed, '--colour', 'red'], /--colour.*flags of thermocline node: --role --data/],
]

for (const [args, message] of wrong) {
  test('a memory node takes its number from its host’s name, too', () => {
    const args = ['--machine', 'hostname', '--cluster', 'ab'.repeat(16), '--storage', 's:7400']
    assert.equal(readMemoryConfig(args, {}, 'cache-m0-3').machine, 3)
    assert.throws(() => readMemoryConfig(args, {}, 'laptop'), /--machine: "hostname, which is laptop": expected a whole number/)
  })

  test(`refused: ${args.slice(-2).join(' ')}`, () => {
    assert.throws(
      () => readConfig(args, {}),
      (error: unknown) => error instanceof ThermoclineError && error.code === 'invalid_argument' && message.test(error.message),
    )
  })
}
