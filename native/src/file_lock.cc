#include "file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "js.h"

namespace thermocline {

napi_value lockFile(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const js::Arguments<1> arguments(env, info);
    const std::string path = js::toText(env, arguments[0], "path");
    const int file = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0) throw EngineError(ErrorKind::error, "internal", "cannot open " + path + ": " + strerror(errno));
    if (flock(file, LOCK_EX | LOCK_NB) != 0) {
      const bool held = errno == EWOULDBLOCK;
      const std::string why = strerror(errno);
      close(file);
      throw EngineError(ErrorKind::error, held ? "locked" : "internal",
                        held ? path + ": another process uses this data directory; stop it or choose another directory" : path + ": " + why);
    }
    // The descriptor stays open on purpose: the kernel lets go of the lock when the process ends, however it ends.
    return js::undefined(env);
  });
}

}  // namespace thermocline
