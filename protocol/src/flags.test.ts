import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { type Flags, formatFlags, readFlags } from './flags.ts'

const FLAGS: Flags = {
  data: { env: 'T_DATA', fallback: undefined, about: 'The data directory. Required.' },
  count: { env: 'T_COUNT', fallback: '4', about: 'How many.' },
}
const schema = z.strictObject({
  data: z.string('is required'),
  count: z.string().regex(/^\d+$/, 'expected a whole number').transform(Number),
})
const read = (args: string[], env: Record<string, string> = {}) => readFlags('thermocline x', FLAGS, schema, args, env)

test('a flag wins over the environment, which wins over the default', () => {
  assert.deepEqual(read(['--data', 'a']), { data: 'a', count: 4 })
  assert.deepEqual(read(['--data', 'a'], { T_COUNT: '5', T_DATA: 'b' }), { data: 'a', count: 5 })
})

test('what is wrong is named, with its value and what was expected', () => {
  assert.throws(() => read([]), /--data: is required/)
  assert.throws(() => read(['--data', 'a', '--count', 'many']), /--count: "many": expected a whole number/)
  assert.throws(() => read(['--date', 'a']), /'--date'; flags of thermocline x: --data --count --help/)
})

test('help has every flag, with its default and variable', () => {
  const help = formatFlags('thermocline x', FLAGS)
  assert.match(help, /--count <value>\n {6}How many\. Default: 4\. \[T_COUNT\]/)
  assert.match(help, /--data <value>\n {6}The data directory\. Required\. \[T_DATA\]/)
})
