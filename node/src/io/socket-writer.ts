/**
 * Sends bytes on a socket straight from the caller's buffer. A write through the socket's stream costs a copy, a request
 * object and a callback; most sends fit into the kernel's buffer and need none of them. What the kernel does not take at
 * once, and everything while such bytes wait, goes through the stream, which keeps the order and reports errors.
 *
 * The descriptor is no part of Node's documented interface: where a socket shows none, all goes through the stream.
 */
import type { Socket } from 'node:net'
import { native } from '@thermocline/native'

export class SocketWriter {
  private readonly socket: Socket
  private readonly isPlain: boolean

  constructor(socket: Socket) {
    this.socket = socket
    // The descriptor under a TLS socket takes ciphertext.
    this.isPlain = !('encrypted' in socket)
  }

  /** Sends the bytes, which may be written over once this returns. */
  send(bytes: Uint8Array): void {
    const { socket } = this
    const sent = this.isPlain && socket.writableLength === 0 ? native.send(descriptorOf(socket), bytes) : 0
    // Buffer.from copies.
    if (sent < bytes.length) socket.write(Buffer.from(bytes.subarray(sent)))
  }
}

/** −1 if the socket is not open. */
function descriptorOf(socket: Socket): number {
  const { _handle: handle } = socket as { _handle?: { readonly fd?: unknown } | null }
  return typeof handle?.fd === 'number' && socket.writable ? handle.fd : -1
}

/**
 * What a socket has read, as a plain array: all views cut from it are plain ones then, of one shape, and half as expensive
 * as those cut from a Buffer.
 */
export function plainBytes({ buffer, byteOffset, length }: Buffer): Uint8Array {
  return new Uint8Array(buffer, byteOffset, length)
}
