// Node-API, checked: arguments come out typed or a TypeError is thrown; C++ exceptions become JavaScript ones.
#pragma once

#include <node_api.h>

#include <cstring>
#include <string>
#include <string_view>

#include "errors.h"

namespace thermocline::js {

// Thrown when Node-API says that a JavaScript exception is pending, or that the environment is going down.
struct Pending {};

inline void must(napi_status status) {
  if (status != napi_ok) throw Pending();
}

[[noreturn]] inline void throwType(const std::string& what, const char* wanted) {
  throw EngineError(ErrorKind::type, "ERR_INVALID_ARG_TYPE", what + " must be " + wanted);
}

inline uint64_t toIndex(napi_env env, napi_value value, const std::string& what) {
  constexpr double kMostExact = 9007199254740991.0;
  double number = 0;
  if (napi_get_value_double(env, value, &number) != napi_ok || !(number >= 0 && number <= kMostExact) ||
      number != static_cast<double>(static_cast<uint64_t>(number))) {
    throwType(what, "a whole number ≥ 0");
  }
  return static_cast<uint64_t>(number);
}

inline uint32_t toU32(napi_env env, napi_value value, const std::string& what) {
  const uint64_t number = toIndex(env, value, what);
  if (number > UINT32_MAX) throwType(what, "a whole number below 2^32");
  return static_cast<uint32_t>(number);
}

inline std::string toText(napi_env env, napi_value value, const std::string& what) {
  size_t length = 0;
  if (napi_get_value_string_utf8(env, value, nullptr, 0, &length) != napi_ok) throwType(what, "a string");
  std::string text(length + 1, '\0');
  must(napi_get_value_string_utf8(env, value, text.data(), text.size(), &length));
  text.resize(length);
  return text;
}

struct Span {
  uint8_t* data = nullptr;
  size_t size = 0;
};

inline Span toBytes(napi_env env, napi_value value, const char* what) {
  napi_typedarray_type type;
  void* data = nullptr;
  size_t length = 0;
  // Also the type check: anything but a typed array is refused by the call itself.
  if (napi_get_typedarray_info(env, value, &type, &length, &data, nullptr, nullptr) != napi_ok || type != napi_uint8_array) {
    throwType(what, "a Uint8Array");
  }
  return {static_cast<uint8_t*>(data), length};
}

struct Doubles {
  const double* data = nullptr;
  size_t size = 0;
};

inline Doubles toDoubles(napi_env env, napi_value value, const char* what) {
  napi_typedarray_type type;
  void* data = nullptr;
  size_t length = 0;
  if (napi_get_typedarray_info(env, value, &type, &length, &data, nullptr, nullptr) != napi_ok || type != napi_float64_array) {
    throwType(what, "a Float64Array");
  }
  return {static_cast<const double*>(data), length};
}

struct Numbers {
  uint32_t* data = nullptr;
  size_t size = 0;
};

inline Numbers toNumbers(napi_env env, napi_value value, const char* what) {
  napi_typedarray_type type;
  void* data = nullptr;
  size_t length = 0;
  if (napi_get_typedarray_info(env, value, &type, &length, &data, nullptr, nullptr) != napi_ok || type != napi_uint32_array) {
    throwType(what, "a Uint32Array");
  }
  return {static_cast<uint32_t*>(data), length};
}

// The arguments of one call.
template <size_t N>
class Arguments {
 public:
  Arguments(napi_env env, napi_callback_info info) : env_(env) {
    size_t count = N;
    must(napi_get_cb_info(env, info, &count, values_, nullptr, nullptr));
    if (count < N) {
      throw EngineError(ErrorKind::type, "ERR_MISSING_ARGS", "expected " + std::to_string(N) + " arguments, got " + std::to_string(count));
    }
  }
  napi_value operator[](size_t i) const { return values_[i]; }
  uint64_t index(size_t i, const char* what) const { return toIndex(env_, values_[i], what); }
  uint32_t u32(size_t i, const char* what) const {
    uint32_t fast;
    double number;
    // The common case without a string for the name.
    if (napi_get_value_double(env_, values_[i], &number) == napi_ok && number >= 0 && number <= UINT32_MAX &&
        number == static_cast<double>(fast = static_cast<uint32_t>(number))) {
      return fast;
    }
    return toU32(env_, values_[i], what);
  }
  uint16_t block(size_t i) const {
    const uint32_t number = u32(i, "block");
    if (number > UINT16_MAX) throw EngineError(ErrorKind::range, "ERR_OUT_OF_RANGE", "block " + std::to_string(number) + " is not within 0 to 65535");
    return static_cast<uint16_t>(number);
  }
  Span bytes(size_t i, const char* what) const { return toBytes(env_, values_[i], what); }
  Doubles doubles(size_t i, const char* what) const { return toDoubles(env_, values_[i], what); }
  // The bytes [offset, offset + length) of the array at i; the two stand in the arguments after it.
  std::string_view part(size_t i, const char* what) const {
    const Span span = bytes(i, what);
    const uint32_t offset = u32(i + 1, "offset");
    const uint32_t length = u32(i + 2, "length");
    if (offset > span.size || length > span.size - offset) {
      throw EngineError(ErrorKind::range, "ERR_OUT_OF_RANGE", std::string(what) + ": offset and length pass its end");
    }
    return {reinterpret_cast<const char*>(span.data) + offset, length};
  }

 private:
  napi_env env_;
  napi_value values_[N];
};

inline napi_value number(napi_env env, double value) {
  napi_value result;
  must(napi_create_double(env, value, &result));
  return result;
}
inline napi_value undefined(napi_env env) {
  napi_value result;
  must(napi_get_undefined(env, &result));
  return result;
}
inline napi_value text(napi_env env, std::string_view value) {
  napi_value result;
  must(napi_create_string_utf8(env, value.data(), value.size(), &result));
  return result;
}
inline napi_value bytes(napi_env env, std::string_view value) {
  void* data = nullptr;
  napi_value buffer;
  napi_value result;
  must(napi_create_arraybuffer(env, value.size(), &data, &buffer));
  if (!value.empty()) memcpy(data, value.data(), value.size());
  must(napi_create_typedarray(env, napi_uint8_array, value.size(), buffer, 0, &result));
  return result;
}
inline void set(napi_env env, napi_value object, const char* name, napi_value value) { must(napi_set_named_property(env, object, name, value)); }

inline napi_value errorOf(napi_env env, ErrorKind kind, const char* code, const char* message) {
  napi_value error;
  const napi_value codeText = text(env, code);
  const napi_value messageText = text(env, message);
  must(kind == ErrorKind::type    ? napi_create_type_error(env, codeText, messageText, &error)
       : kind == ErrorKind::range ? napi_create_range_error(env, codeText, messageText, &error)
                                  : napi_create_error(env, codeText, messageText, &error));
  return error;
}

// Calls a function of JavaScript from the event loop, with a number. What throws there ends the process, as any uncaught exception does.
inline void callFromLoop(napi_env env, napi_async_context context, napi_ref kept, double argument) {
  napi_handle_scope scope;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return;
  napi_value function;
  napi_value receiver;
  napi_value value;
  if (napi_get_reference_value(env, kept, &function) == napi_ok && napi_get_global(env, &receiver) == napi_ok &&
      napi_create_double(env, argument, &value) == napi_ok &&
      napi_make_callback(env, context, receiver, function, 1, &value, nullptr) == napi_pending_exception) {
    napi_value error;
    if (napi_get_and_clear_last_exception(env, &error) == napi_ok) napi_fatal_exception(env, error);
  }
  napi_close_handle_scope(env, scope);
}

// Adds a function that finds `data` with its arguments.
inline void addWith(napi_env env, napi_value exports, const char* name, napi_callback function, void* data) {
  napi_value value;
  must(napi_create_function(env, name, NAPI_AUTO_LENGTH, function, data, &value));
  set(env, exports, name, value);
}

// Runs the body of a binding function.
template <typename Body>
napi_value guarded(napi_env env, Body body) {
  try {
    try {
      return body();
    } catch (const EngineError& error) {
      must(napi_throw(env, errorOf(env, error.kind, error.code, error.what())));
    } catch (const std::exception& error) {
      must(napi_throw(env, errorOf(env, ErrorKind::error, "internal", error.what())));
    }
  } catch (const Pending&) {
    // A JavaScript exception is pending already, or there is nobody left to tell.
  }
  return nullptr;
}

}  // namespace thermocline::js
