#include "socket.h"

#include <sys/socket.h>

#include "js.h"

namespace thermocline {

napi_value sendOnSocket(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const js::Arguments<2> arguments(env, info);
    int32_t socket = -1;
    if (napi_get_value_int32(env, arguments[0], &socket) != napi_ok) js::throwType("socket", "a descriptor");
    const js::Span bytes = arguments.bytes(1, "bytes");
    int flags = MSG_DONTWAIT;
#ifdef MSG_NOSIGNAL
    flags |= MSG_NOSIGNAL;
#endif
    const ssize_t sent = socket < 0 ? -1 : send(socket, bytes.data, bytes.size, flags);
    return js::number(env, sent < 0 ? 0 : static_cast<double>(sent));
  });
}

}  // namespace thermocline
