// Bytes in and out: fixed-width loads and stores, and a reader that checks every length against what is left. All that
// comes from JavaScript, from disk or from a peer is read through `Reader`; nothing is taken by an unchecked length.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "errors.h"

namespace thermocline {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "integers are stored by copying little-endian words");

inline uint16_t loadU16(const void* at) {
  uint16_t value;
  memcpy(&value, at, sizeof value);
  return value;
}
inline uint32_t loadU32(const void* at) {
  uint32_t value;
  memcpy(&value, at, sizeof value);
  return value;
}
inline uint64_t loadU64(const void* at) {
  uint64_t value;
  memcpy(&value, at, sizeof value);
  return value;
}
inline uint64_t loadU48(const void* at) {
  uint64_t value = 0;
  memcpy(&value, at, 6);
  return value;
}
inline uint64_t loadU64BigEndian(const void* at) { return __builtin_bswap64(loadU64(at)); }
inline uint16_t loadU16BigEndian(const void* at) { return __builtin_bswap16(loadU16(at)); }
inline uint64_t loadU48BigEndian(const void* at) {
  uint64_t value = 0;
  memcpy(reinterpret_cast<uint8_t*>(&value) + 2, at, 6);
  return __builtin_bswap64(value);
}

inline void storeU16(void* at, uint16_t value) { memcpy(at, &value, 2); }
inline void storeU32(void* at, uint32_t value) { memcpy(at, &value, 4); }
inline void storeU48(void* at, uint64_t value) { memcpy(at, &value, 6); }
inline void storeU64(void* at, uint64_t value) { memcpy(at, &value, 8); }
inline void storeU16BigEndian(void* at, uint16_t value) { storeU16(at, __builtin_bswap16(value)); }
inline void storeU64BigEndian(void* at, uint64_t value) { storeU64(at, __builtin_bswap64(value)); }
inline void storeU48BigEndian(void* at, uint64_t value) {
  const uint64_t swapped = __builtin_bswap64(value << 16);
  memcpy(at, &swapped, 6);
}

class Reader {
 public:
  Reader(const uint8_t* from, size_t length, const char* what) : at_(from), end_(from + length), what_(what) {}
  Reader(std::string_view bytes, const char* what) : Reader(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), what) {}

  const uint8_t* take(size_t count) {
    if (count > static_cast<size_t>(end_ - at_)) throwMalformed("is cut off");
    const uint8_t* from = at_;
    at_ += count;
    return from;
  }
  uint8_t u8() { return *take(1); }
  uint16_t u16() { return loadU16(take(2)); }
  uint32_t u32() { return loadU32(take(4)); }
  uint64_t u48() { return loadU48(take(6)); }
  uint64_t u64() { return loadU64(take(8)); }
  uint64_t id() { return loadU64BigEndian(take(8)); }
  std::string_view bytes(size_t count) { return {reinterpret_cast<const char*>(take(count)), count}; }
  size_t left() const { return static_cast<size_t>(end_ - at_); }
  void finish() {
    if (at_ != end_) throwMalformed("has bytes too many");
  }
  [[noreturn]] void throwMalformed(const char* why) const {
    throw EngineError(ErrorKind::range, "bad_frame", std::string(what_) + " " + why);
  }

 private:
  const uint8_t* at_;
  const uint8_t* end_;
  const char* what_;
};

// Of one answer to a read, which must fit in a frame beside others.
constexpr size_t kMostAnswerBytes = 6 * 1024 * 1024;

// Collects an answer. Over a fixed buffer it keeps counting past the end, so that the caller learns how much it needs.
class Sink {
 public:
  Sink(uint8_t* out, size_t capacity) : out_(out), capacity_(capacity) {}
  explicit Sink(std::string& grown) : grown_(&grown) {}
  // Of an answer that grows with what is stored: whoever asks for too much is told before it is made.
  Sink(std::string& grown, size_t most) : most_(most), grown_(&grown) {}

  void put(const void* from, size_t count) {
    if (count > most_ - length_) throwBug("an answer passes its bound of " + std::to_string(most_) + " bytes");
    if (grown_ != nullptr) {
      grown_->append(static_cast<const char*>(from), count);
    } else if (length_ + count <= capacity_ && count > 0) {
      memcpy(out_ + length_, from, count);
    }
    length_ += count;
  }
  void u8(uint8_t value) { put(&value, 1); }
  void u16(uint16_t value) { put(&value, 2); }
  void u32(uint32_t value) { put(&value, 4); }
  void u48(uint64_t value) { put(&value, 6); }
  void u64(uint64_t value) { put(&value, 8); }
  void id(uint64_t value) {
    const uint64_t swapped = __builtin_bswap64(value);
    put(&swapped, 8);
  }
  // Overwrites earlier bytes: for counts that are known only at the end.
  void patch(size_t at, const void* from, size_t count) {
    if (grown_ != nullptr) {
      memcpy(&(*grown_)[at], from, count);
    } else if (at + count <= capacity_) {
      memcpy(out_ + at, from, count);
    }
  }
  // Takes back what was put after `length`.
  void truncate(size_t length) {
    if (grown_ != nullptr) grown_->resize(grown_->size() - (length_ - length));
    length_ = length;
  }
  size_t length() const { return length_; }
  bool fits() const { return grown_ != nullptr || length_ <= capacity_; }

 private:
  uint8_t* out_ = nullptr;
  size_t capacity_ = 0;
  size_t most_ = SIZE_MAX;
  std::string* grown_ = nullptr;
  size_t length_ = 0;
};

}  // namespace thermocline
