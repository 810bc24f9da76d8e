/** The loop of the fuzzers notices what it is there to notice, and repeats it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Random } from '@thermocline/simulation'
import type { Protocol, Target } from './protocol.ts'
import { PROTOCOLS } from './protocols.ts'
import { growthOf, MOST_HEAP_GROWTH, type RunOptions, randomOf, runProtocol } from './run-protocol.ts'

setFlagsFromString('--expose-gc')
globalThis.gc = runInNewContext('gc') as NodeJS.GCFunction

/** More than the least of which growth is measured. */
const MANY = 30_000

function protocolOf(run: (random: Random) => void, check: () => void = () => {}): Protocol {
  const open = (random: Random): Target => ({ run: () => run(random), check, close: () => {} })
  return { name: 'made up', weight: 1, inputsPerRun: 1, runsPerEpisode: 50, open }
}

const options = (inputs: number, from = 0): RunOptions => ({ seed: 1, from, inputs })

for (const protocol of PROTOCOLS) {
  test(`${protocol.name}: some inputs do no harm`, async () => {
    const inputs = 2 * protocol.inputsPerRun + 100
    const result = await runProtocol(protocol, options(inputs))
    assert.ok(result.inputs >= inputs)
  })
}

test('an episode is repeated alone, and no two are alike', async () => {
  const drawn = async (inputs: number, from: number): Promise<number[]> => {
    const numbers: number[] = []
    await runProtocol(
      protocolOf((random) => numbers.push(random.below(1_000_000))),
      options(inputs, from),
    )
    return numbers
  }
  const all = await drawn(150, 0)
  assert.deepEqual(await drawn(50, 2), all.slice(100))
  assert.notDeepEqual(all.slice(0, 50), all.slice(50, 100))
  assert.notEqual(randomOf(1, 'one', 0).next(), randomOf(1, 'other', 0).next())
  assert.notEqual(randomOf(1, 'one', 0).next(), randomOf(2, 'one', 0).next())
})

test('what a receiver throws ends the run, and so does a wrong control read', async () => {
  const places: number[][] = []
  const throwing = protocolOf((random) => {
    if (random.below(70) === 0) throw new Error('found')
  })
  await assert.rejects(runProtocol(throwing, { ...options(MANY), onRun: (...place) => places.push(place) }), /found/)
  const [episode = 0, input = 0] = places.at(-1) ?? []
  await assert.rejects(runProtocol(throwing, options(input + 1, episode)), /found/)
  await runProtocol(throwing, options(input, episode))
  const wrong = protocolOf(
    () => {},
    () => assert.fail('the control read'),
  )
  await assert.rejects(runProtocol(wrong, options(1)), /the control read/)
})

test('what grows through the whole run is found, and a cache that fills at first is not', async () => {
  const bytes = Math.ceil((4 * MOST_HEAP_GROWTH) / MANY)
  let held: Uint8Array[] = []
  const growing = protocolOf(() => held.push(new Uint8Array(bytes)))
  await assert.rejects(runProtocol(growing, options(MANY)), /memory has grown by/)
  held = []
  const filling = protocolOf(() => {
    if (held.length < MANY / 4) held.push(new Uint8Array(bytes))
  })
  const { growth } = await runProtocol(filling, options(MANY))
  assert.ok(growth !== undefined && growth.heap < MOST_HEAP_GROWTH)
  held = []
})

test('a leak grows in all steps; what is taken once for good does not count', () => {
  const samples = (rss: (at: number) => number) => Array.from({ length: 30 }, (_, at) => ({ rss: rss(at), heap: 0 }))
  assert.equal(growthOf(samples((at) => at * 10)).rss, 150)
  for (const once of [3, 12, 19, 24, 28]) assert.equal(growthOf(samples((at) => (at < once ? 100 : 900))).rss, 0, `at ${once}`)
})
