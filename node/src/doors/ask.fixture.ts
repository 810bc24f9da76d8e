/** A request that a test asks, and what it is answered. */
import { NodeRequest } from './node-request.ts'

export type OnReply = (error: number, body: Uint8Array) => void

export function ask(operation: number, body: Uint8Array, timeoutMs: number, onReply: OnReply = () => {}): NodeRequest {
  return new NodeRequest(
    { door: 'client', source: 'a test', reply: (_token, error, answer) => onReply(error, answer) },
    0,
    operation,
    body,
    timeoutMs,
  )
}
