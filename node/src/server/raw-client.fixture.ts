/** What a client sends, byte by byte: for tests that say what no library would. */
import { ANY_CLUSTER, ByteWriter, beginFrame, endFrame, FrameType, HelloKind, WIRE_VERSION, writeHello } from '@thermocline/protocol'

const TIMEOUT_MS = 1000

export function helloBytes(): Uint8Array {
  const w = new ByteWriter(64)
  writeHello(w, { version: WIRE_VERSION, kind: HelloKind.client, clusterId: ANY_CLUSTER, name: 'test' })
  return w.copy()
}

/** One of the requests of a frame. */
export function writeRequest(w: ByteWriter, correlation: number, operation: number, body: Uint8Array): void {
  w.u32(correlation)
  w.u32(TIMEOUT_MS)
  w.u8(operation)
  w.u32(body.length)
  w.put(body)
}

/** A frame that says it has `count` requests, which `requests` are. */
export function requestsFrame(count: number, requests: Uint8Array): Uint8Array {
  const w = new ByteWriter(requests.length + 64)
  const at = beginFrame(w, FrameType.requests)
  w.u32(1)
  w.u16(count)
  w.put(requests)
  endFrame(w, at)
  return w.copy()
}
