// Durable writes of the log without a thread: the kernel takes the write (asynchronous, past the page cache, O_DSYNC) and
// wakes the event loop when it is durable. A write through a thread pool costs two wake-ups more.
#pragma once

#include "workers.h"

namespace thermocline {

// Adds to `exports`:
//   openDirect(path): a file descriptor for `writeDirect`; -1 if this system or file system cannot do such writes.
//   writeDirect(file, bytes, offset, done, byThread): copies the bytes and starts their write; `done(result)` is called once they are
//     durable, with how many were written or a negative error number. Length and offset are multiples of 512. Returns 0, 1 if handing
//     it over has waited, or a negative error number if the write could not begin; `done` is not called then. `byThread`: a thread of the log's own makes
//     the write, for when handing it to the kernel would wait.
void addLogWriter(napi_env env, napi_value exports, Workers& workers);

}  // namespace thermocline
