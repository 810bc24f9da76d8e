/** Connections to the ports of nodes, byte by byte. */
import { connect, type Socket } from 'node:net'

/** Nothing comes, and nothing ends: it hangs. */
const HANGS_MS = 30_000

/**
 * Sends the pieces on a connection of its own and ends it; resolves to what came back, once the other side has ended it, too.
 * @throws Error if it does not.
 */
export function exchange(port: number, pieces: readonly Uint8Array[]): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const came: Uint8Array[] = []
    const socket: Socket = connect({ host: '127.0.0.1', port, noDelay: true })
    const timer = setTimeout(() => {
      reject(new Error(`a connection is not ended within ${HANGS_MS} ms`))
      socket.destroy()
    }, HANGS_MS)
    // Whoever is refused in the middle of sending is reset.
    socket.on('error', () => {})
    socket.on('data', (bytes) => came.push(bytes))
    socket.on('close', () => {
      clearTimeout(timer)
      resolve(Uint8Array.from(Buffer.concat(came)))
    })
    for (const piece of pieces) socket.write(piece)
    socket.end()
  })
}
