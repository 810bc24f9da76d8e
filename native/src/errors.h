// What the engine throws. `kind` decides the JavaScript class, `code` is one of the product's error codes
// (protocol/src/errors.ts) or an argument error of the addon's own.
#pragma once

#include <stdexcept>
#include <string>

namespace thermocline {

enum class ErrorKind { error, range, type };

class EngineError : public std::runtime_error {
 public:
  EngineError(ErrorKind kind, const char* code, const std::string& message) : std::runtime_error(message), kind(kind), code(code) {}
  const ErrorKind kind;
  const char* const code;
};

// Thrown by a read that may not touch the disk and would have to. Never leaves the engine: it becomes NEEDS_IO.
struct NeedsIo {};

[[noreturn]] inline void throwCorrupt(const std::string& message) { throw EngineError(ErrorKind::error, "corrupt", message); }
[[noreturn]] inline void throwBug(const std::string& message) { throw EngineError(ErrorKind::error, "internal", message); }

}  // namespace thermocline
