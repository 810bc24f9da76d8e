// Connected sockets that the addon reads and writes itself. Node's streams cost several microseconds of CPU for each read and
// write of a few hundred bytes, which is most of what a node's requests take. Here one call of JavaScript gets all that a turn of the
// event loop has read, from all sockets.
#pragma once

#include <node_api.h>

namespace thermocline {

// Adds to `exports`:
//   socketsOpen(input, events, onTurn): once. `input` takes what is read, `events` three numbers for each event: the socket, offset and
//     length in `input`. Of length 0: offset 0 says that all has been written, 1 + e that the connection is gone, by libuv's error −e.
//     `onTurn(count)` is called after sockets were polled, and earlier when there is no more room.
//   socketAdopt(file): duplicates the descriptor of a connected socket and reads from it; returns its number, never used again.
//   socketWrite(socket, bytes): sends; what the kernel does not take at once is copied. Returns the bytes that are still unsent.
//   socketRead(socket, on): reads on, or stops reading.
//   socketEnd(socket): says, after all that is unsent, that nothing more will come.
//   socketClose(socket): at once. There are no more events of it.
// A number that is not known (any more) is no error: the connection has gone.
// A connection is as good as gone once the other side has said that nothing more comes: what is unsent then still goes out, what is sent
// later may not.
void addSockets(napi_env env, napi_value exports);

}  // namespace thermocline
