/**
 * One request, from the door that it came in by to its answer: what is asked, and who asks. It is made once, where its bytes are read,
 * and handed on as it is; whatever has to know who asks finds it here.
 */

/** `client`: the data port; `http`: the HTTP port; `peer`: another replica, which forwards what a client asked of it. */
export type Door = 'client' | 'http' | 'peer'

/** One for a connection: all its requests have it in common. */
export interface Caller {
  readonly door: Door
  /** The remote address, as connections are added up by it (source.ts); of a peer, which replica it is. */
  readonly source: string
  /** `error` is 0 or an error number; the body is the operation's answer or an error body, and must be copied before this returns. */
  reply(token: number, error: number, body: Uint8Array): void
}

/** Counts a request while it waits. */
export interface RequestCount {
  onAnswered(request: NodeRequest): void
}

export class NodeRequest {
  readonly caller: Caller
  /** What the caller knows the request by. */
  readonly token: number
  readonly operation: number
  /** Must not change until the answer. */
  readonly body: Uint8Array
  /** What the caller asks for; whoever takes the request on bounds it. */
  readonly timeoutMs: number
  private count: RequestCount | undefined = undefined

  constructor(caller: Caller, token: number, operation: number, body: Uint8Array, timeoutMs: number) {
    this.caller = caller
    this.token = token
    this.operation = operation
    this.body = body
    this.timeoutMs = timeoutMs
  }

  /** From now on it waits, and `count` is told when it does no longer. */
  countIn(count: RequestCount): void {
    this.count = count
  }

  /** Answers, once. */
  reply(error: number, body: Uint8Array): void {
    const { count } = this
    this.count = undefined
    count?.onAnswered(this)
    this.caller.reply(this.token, error, body)
  }
}
