// A lock on a file, held until the process ends: keeps a second process off a data directory.
#pragma once

#include <node_api.h>

namespace thermocline {

// lockFile(path): creates the file if need be and locks it. Throws `locked` if another process holds it.
napi_value lockFile(napi_env env, napi_callback_info info);

}  // namespace thermocline
