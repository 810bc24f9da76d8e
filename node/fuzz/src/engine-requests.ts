/**
 * Bodies of requests, straight to the engine: also those that the port before it would refuse. What is malformed is refused as that
 * and changes nothing; what the port would let pass is answered.
 */
import assert from 'node:assert/strict'
import { BLOCK_COUNT, blockOf, MAX_VALIDATE_ITEMS, Operation } from '@thermocline/protocol'
import type { Random } from '@thermocline/simulation'
import type { OpenedEngine } from '../../src/engine/mod.ts'
import { NEEDS_IO } from '../../src/engine/port.ts'
import { checkReadBody } from '../../src/kv/read-body.ts'
import { checkValidateBody } from '../../src/kv/validate-body.ts'
import { checkWriteBody } from '../../src/kv/write-body.ts'
import { checkEngine, openFilledEngine, READS } from './filled-engine.ts'
import { anyNumber } from './numbers.ts'
import { codeOf, expectCode, type Protocol, type Target } from './protocol.ts'
import { bodyOf, NAMES } from './request-bodies.ts'

const ASKED = [Operation.write, Operation.get, Operation.scan, Operation.pageVersions, Operation.validate]
/** More than any answer takes here: 6 MiB, and what one record adds. */
const MOST_ANSWER_BYTES = 9 << 20
/** Of so many reads one goes to the disk's threads, too. */
const ASYNC_SHARE = 0.05

class EngineRequests implements Target {
  private readonly random: Random
  private readonly engine: OpenedEngine
  private out = new Uint8Array(64 * 1024)

  constructor(random: Random, engine: OpenedEngine) {
    this.random = random
    this.engine = engine
  }

  async run(): Promise<void> {
    const { random } = this
    const operation = random.pick(ASKED)
    const body = bodyOf(random, operation)
    const isAsync = random.chance(ASYNC_SHARE)
    if (operation === Operation.validate) await this.validate(body, isAsync)
    else if (operation === Operation.write) await this.peek(body, isAsync)
    else await this.read(operation, body, isAsync)
  }

  /** Calls it, with room for the answer in the end. A body that the port lets pass must be answered. */
  private async answered(isSound: boolean, ask: () => number, askAsync: (() => Promise<unknown>) | undefined): Promise<void> {
    try {
      const length = ask()
      if (length < NEEDS_IO) {
        assert.ok(-2 - length > this.out.length && -2 - length <= MOST_ANSWER_BYTES, `an answer that needs ${-2 - length} bytes`)
        this.out = new Uint8Array(-2 - length)
        assert.ok(ask() >= NEEDS_IO, 'an answer that fits in what it asked for')
      }
      assert.ok(length <= this.out.length)
      await askAsync?.()
    } catch (error) {
      if (isSound) throw error
      expectCode(error, 'bad_frame')
    }
  }

  private blockFor(verdict: number | string): number {
    return typeof verdict === 'number' ? verdict : this.random.chance(0.5) ? blockOf(this.random.pick(NAMES)) : anyNumber(this.random, 16)
  }

  private async read(operation: number, body: Uint8Array, isAsync: boolean): Promise<void> {
    const { engine } = this
    const verdict = checkReadBody(operation, body)
    const block = this.blockFor(verdict)
    const name = READS[operation] as 'get'
    await this.answered(
      typeof verdict === 'number',
      () => engine[name](block, body, 0, body.length, this.out, 0),
      isAsync ? () => engine[`${name}Async`](block, body, 0, body.length) : undefined,
    )
  }

  private async peek(body: Uint8Array, isAsync: boolean): Promise<void> {
    const { engine, random } = this
    const verdict = checkWriteBody(body)
    const isSound = typeof verdict !== 'string'
    const block = this.blockFor(isSound ? verdict.block : verdict)
    const needed = 18 + 19 * (isSound ? verdict.opCount : 1024)
    const out = new Uint8Array(isSound ? needed : random.below(needed))
    try {
      const length = engine.peek(block, body, 0, body.length, out)
      assert.ok(length <= out.length)
      if (isAsync) await engine.peekAsync(block, body, 0, body.length, out)
    } catch (error) {
      if (isSound) throw error
      assert.ok(codeOf(error) === 'bad_frame' || error instanceof RangeError, String(error))
    }
  }

  private async validate(body: Uint8Array, isAsync: boolean): Promise<void> {
    const { engine, random } = this
    const shape = checkValidateBody(body)
    const isSound = typeof shape !== 'string' && isOfItsBlocks(body)
    const said = body.length < 7 ? 0 : new DataView(body.buffer, body.byteOffset).getUint16(5, true)
    const items = typeof shape === 'string' ? Math.min(said, MAX_VALIDATE_ITEMS) : shape.blocks.length
    const needs = Float64Array.from({ length: items }, () => random.pick([-1, 0, 1, 40, 2 ** 48]))
    await this.answered(
      isSound,
      () => engine.validate(body, 0, body.length, needs, items, this.out),
      isAsync && items === 1 ? () => engine.validateAsync(body, 0, body.length) : undefined,
    )
  }

  check(): Promise<void> {
    assert.equal(this.engine.positions().length > 0 && this.engine.positions().length < BLOCK_COUNT, true)
    return checkEngine(this.engine)
  }

  close(): Promise<void> {
    return this.engine.close()
  }
}

/** Whether every item of a well-formed validation names the block of its series: that is the engine's to check. */
function isOfItsBlocks(body: Uint8Array): boolean {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength)
  let at = 7
  for (let left = view.getUint16(5, true); left > 0; left--) {
    const length = view.getUint16(at + 2, true)
    if (blockOf(body.subarray(at + 4, at + 4 + length)) !== view.getUint16(at, true)) return false
    at += 4 + length
    at += 1 + 12 * (body[at] as number)
  }
  return true
}

export const engineRequests: Protocol = {
  name: 'engine-requests',
  weight: 20,
  inputsPerRun: 1,
  runsPerEpisode: 5000,
  open: async (random) => new EngineRequests(random, await openFilledEngine()),
}
