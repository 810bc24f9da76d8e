#include "keyed_hash.h"

#include <sys/random.h>

#include <cerrno>

namespace thermocline {

HashKey randomHashKey() {
  HashKey key;
  // Up to 256 bytes come whole or not at all.
  while (getrandom(&key, sizeof key, 0) != static_cast<ssize_t>(sizeof key)) {
    if (errno != EINTR) throw EngineError(ErrorKind::error, "internal", std::string("no random bytes: ") + strerror(errno));
  }
  return key;
}

}  // namespace thermocline
