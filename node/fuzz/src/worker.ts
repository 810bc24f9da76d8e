/**
 * One protocol, in a process of its own, which a finding may end: `worker.ts FILE NAME SEED EPISODE INPUTS`. The file holds where
 * it is, as two u32, so that whoever has started it can say which input it was.
 */
import { openSync, writeSync } from 'node:fs'
import { PROTOCOLS } from './protocols.ts'
import { runProtocol } from './run-protocol.ts'

const [path, name, seed, from, inputs] = process.argv.slice(2)
const protocol = PROTOCOLS.find((one) => one.name === name)
if (protocol === undefined || path === undefined) throw new Error(`${name} is no protocol`)
const file = openSync(path, 'r+')
const place = new Uint32Array(2)
const options = {
  seed: Number(seed),
  from: Number(from),
  inputs: Number(inputs),
  onRun: (episode: number, input: number) => {
    place[0] = episode
    place[1] = input
    writeSync(file, place, 0, place.byteLength, 0)
  },
  onProgress: (done: number) => process.send?.({ done }),
}
const result = await runProtocol(protocol, options)
process.send?.({ result })
process.disconnect?.()
