// Sends on a socket without a stream around it.
#pragma once

#include <node_api.h>

namespace thermocline {

// send(socket, bytes): how many of the bytes the kernel took at once; 0 also if there is no such socket or it has failed.
napi_value sendOnSocket(napi_env env, napi_callback_info info);

}  // namespace thermocline
