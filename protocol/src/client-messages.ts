/**
 * What a client and a storage node say on the data port. Every frame is `u32 length of the rest | u8 type | body`.
 *
 * A connection opens with `hello` and `helloOk`; then the client sends `requests` frames (all that it has ready in one
 * tick) and the node answers with `responses` frames in any order, matched by correlation number. Either side may say
 * `goodbye` with a coded reason before it closes.
 *
 *     hello      u32 magic | u16 version | u8 kind (1 client, 2 peer) | 16 bytes cluster id (zeros: any) | u8 length | name
 *     helloOk    u16 version | 16 bytes cluster id | 20 bytes process id | u32 epoch | u32 slice duration ms | u32 ms of warm-up left
 *     goodbye    u8 error number | u16 length | message
 *     requests   u32 the client's epoch | u16 count | request*
 *     request    u32 correlation | u32 timeout ms | u8 operation | u32 body length | body
 *     responses  u32 the node's epoch | u16 count | response*
 *     response   u32 correlation | u8 error number, 0 = ok | u32 body length | body
 *
 * Bodies by operation (series = u16 length | bytes; id = 8 big-endian bytes; index, version = u48):
 *
 *     write          16 bytes request id | stamp u48 | series | u16 ops | op*         → index | 8 bytes detail (see entry.ts)
 *       op           u8 kind (1 put, 2 delete, 3 append) | u8 condition | u48 version | id | u32 length | value
 *     get            series | u16 count | id*                                         → applied index | count × (u48 version, 0 = absent | u32 length | value)
 *     scan           series | id from | id to | u32 limit | u8 reverse                 → applied index | u8 more | id next | u32 count | count × (id | u48 version | u32 length | value)
 *     stamps         u16 count | u16 block*                                           → count × index
 *     pageVersions   series | u16 count | u48 slice*                                  → applied index | count × u48 version (0 = no such page)
 *     validate       u32 restore generation | u8 patient | u16 items | item*          → u16 items | verdict*
 *       item         u16 block | series | u8 pages | pages × (u48 slice | u48 version held)
 *       verdict      u8 0 | applied index | page verdict*, or u8 1: not known without waiting, or too long beside the others
 *       page verdict u8 kind, 0 unchanged | 1 absent | 2 records since the version held | 3 page | 4 large; then for 2 and 3
 *                    u48 version | u32 count | count × (id | u48 version | u32 length | value), for 4 u48 version; a directory's 3
 *                    has u48 slices instead of records, newest first
 *     topology       u32 known epoch | u32 wait ms: answers when the epoch is newer     → UTF-8 JSON of the topology, empty if none came
 *
 * A validation asks for many series in one strong read, each at one applied index (design §5): of each page, has it changed since
 * that version? It answers what it can at once, within one frame; of the rest, one is asked for alone and patiently, which waits for what is
 * under way and for the disk. The restore generation is that of the cluster's history that the versions belong to: with another
 * one nothing is unchanged. A version held of 2⁴⁸−1 stands for nothing, 0 for a page that is known not to exist. In place of a
 * slice, 2⁴⁸−1 names the directory of the series. Pages of more than 64 KiB with the heads of their records, and directories of
 * more than 4096 slices, are large, and so are those that take too many steps: they are read from the storage tier alone. The same
 * page at the same version may be called large by one validation and not by another.
 *
 * `from` and `to` are inclusive bounds with from ≤ to in either direction; with `more`, `next` is the first id not returned, or an id
 * before it: a chunk may have fewer records than asked for, or none.
 * An append's id says at-or-after nothing: it is zeros, and the detail of the answer is the id that was assigned.
 * An error's body is: index u48 (0 if none) | u48 argument | u16 length | message. The argument is the
 * retry-after in ms (`overloaded`), the newer epoch (`moved`), the current version (`precondition_failed`), or 1 where only this
 * block is not served there (`unavailable`): the replica learns it.
 */
import { type ByteReader, type ByteWriter, DecodeError } from './bytes.ts'
import { FRAME_HEADER_BYTES, MAX_BATCH_REQUESTS, WIRE_MAGIC } from './constants.ts'
import { ERRORS, type ErrorCode, errorCodeOf } from './errors.ts'
import { type ProcessId, readProcessId, writeProcessId } from './process-id.ts'

export { FrameDecoder } from './frame-decoder.ts'

export const FrameType = {
  hello: 1,
  helloOk: 2,
  goodbye: 3,
  requests: 4,
  responses: 5,
  peerHello: 16,
  peer: 17,
  peerGoodbye: 18,
  peerConfirm: 19,
  peerConfirmed: 20,
} as const

export const HelloKind = { client: 1, peer: 2 } as const

export const Operation = {
  write: 1,
  get: 2,
  scan: 3,
  stamps: 4,
  pageVersions: 5,
  topology: 6,
  validate: 7,
} as const

/** How a page stands against the version that a cache holds of it. */
export const PageVerdict = { unchanged: 0, absent: 1, records: 2, page: 3, large: 4 } as const

export const WriteKind = { put: 1, delete: 2, append: 3 } as const
export const Condition = { none: 0, ifAbsent: 1, ifVersion: 2 } as const

/** Argument of an `unavailable` that is about the block alone: the replica serves others. */
export const ONLY_THIS_BLOCK = 1

export const CLUSTER_ID_BYTES = 16

/** Opens a frame of `type` at the writer's end; `endFrame` fills its length in. Returns the frame's start. */
export function beginFrame(writer: ByteWriter, type: number): number {
  const at = writer.claim(FRAME_HEADER_BYTES)
  writer.bytes[at + 4] = type
  return at
}

export function endFrame(writer: ByteWriter, at: number): void {
  writer.patchU32(at, writer.length - at - 4)
}

export interface Hello {
  version: number
  kind: number
  /** 32 hexadecimal digits; zeros mean any cluster. */
  clusterId: string
  name: string
}

export interface HelloOk {
  version: number
  clusterId: string
  process: ProcessId
  epoch: number
  sliceDurationMs: number
  /** Until this memory node wants its full share of the reads; 0 for others. */
  warmUpLeftMs: number
}

export const ANY_CLUSTER = '0'.repeat(32)

const utf8 = new TextEncoder()
const text = new TextDecoder()

export function writeHello(writer: ByteWriter, hello: Hello): void {
  const frame = beginFrame(writer, FrameType.hello)
  writer.u32(WIRE_MAGIC)
  writer.u16(hello.version)
  writer.u8(hello.kind)
  writer.hex(hello.clusterId)
  const name = utf8.encode(hello.name).subarray(0, 255)
  writer.u8(name.length)
  writer.put(name)
  endFrame(writer, frame)
}

export function readHello(reader: ByteReader): Hello {
  const magic = reader.u32()
  if (magic !== WIRE_MAGIC)
    throw new DecodeError(
      `a hello starts with ${WIRE_MAGIC.toString(16)}, not ${magic.toString(16)}: is this a Thermocline data port and client?`,
    )
  const version = reader.u16()
  const kind = reader.u8()
  const clusterId = reader.hex(CLUSTER_ID_BYTES)
  const name = text.decode(reader.take(reader.u8()))
  reader.finish('hello')
  return { version, kind, clusterId, name }
}

export function writeHelloOk(writer: ByteWriter, ok: HelloOk): void {
  const frame = beginFrame(writer, FrameType.helloOk)
  writer.u16(ok.version)
  writer.hex(ok.clusterId)
  writeProcessId(writer, ok.process)
  writer.u32(ok.epoch)
  writer.u32(ok.sliceDurationMs)
  writer.u32(ok.warmUpLeftMs)
  endFrame(writer, frame)
}

export function readHelloOk(reader: ByteReader): HelloOk {
  const version = reader.u16()
  const clusterId = reader.hex(CLUSTER_ID_BYTES)
  const process = readProcessId(reader)
  const epoch = reader.u32()
  const sliceDurationMs = reader.u32()
  const warmUpLeftMs = reader.u32()
  reader.finish('helloOk')
  return { version, clusterId, process, epoch, sliceDurationMs, warmUpLeftMs }
}

export function writeGoodbye(writer: ByteWriter, code: ErrorCode, message: string): void {
  const frame = beginFrame(writer, FrameType.goodbye)
  writer.u8(ERRORS[code].number)
  const bytes = utf8.encode(message).subarray(0, 4096)
  writer.u16(bytes.length)
  writer.put(bytes)
  endFrame(writer, frame)
}

export function readGoodbye(reader: ByteReader): { code: ErrorCode; message: string } {
  const code = errorCodeOf(reader.u8())
  const message = text.decode(reader.take(reader.u16()))
  reader.finish('goodbye')
  return { code, message }
}

/** The body of an error response. */
export interface ErrorBody {
  index: number
  argument: number
  message: string
}

export function writeErrorBody(writer: ByteWriter, body: ErrorBody): void {
  writer.u48(body.index)
  writer.u48(body.argument)
  const bytes = utf8.encode(body.message).subarray(0, 4096)
  writer.u16(bytes.length)
  writer.put(bytes)
}

export function readErrorBody(reader: ByteReader): ErrorBody {
  const index = reader.u48()
  const argument = reader.u48()
  return { index, argument, message: text.decode(reader.take(reader.u16())) }
}

/** Reads the head of a `requests` or `responses` frame: its epoch and how many follow. */
export function readBatchHead(reader: ByteReader): { epoch: number; count: number } {
  const epoch = reader.u32()
  const count = reader.u16()
  if (count > MAX_BATCH_REQUESTS) throw new DecodeError(`a batch of ${count} is longer than ${MAX_BATCH_REQUESTS}`)
  return { epoch, count }
}
