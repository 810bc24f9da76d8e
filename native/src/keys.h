// Keys of the three families. Integers are big-endian so that byte order is numeric order; a series is preceded by its
// length, so that no series' range is ever a prefix of another's.
//
//     pages    block u16 | series | inverted slice u48           a block is one range; newest slice first in a series
//     records  slice u48 | block u16 | series | id u64           a finished slice is one range; so is a block within it
//     meta     'f'                                               number of the last flush
//              'v'                                               disk version
//              'p' | block u16                                   position of a block
//              'r' | block u16 | first index u48                 answers that a flush added to the block's request table
#pragma once

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "bytes.h"
#include "keyed_hash.h"

namespace thermocline {

constexpr size_t kMaxSeriesBytes = 512;
constexpr uint64_t kSliceMask = (uint64_t{1} << 48) - 1;

// In place of a slice: the directory of a series, which lists the slices that it has pages in. Its version is an index since
// which no page of the series came or went.
constexpr uint64_t kDirectorySlice = kSliceMask;

// Part of the data format (protocol/src/block.ts): anybody can compute it.
inline uint16_t blockOf(std::string_view series) { return static_cast<uint16_t>(XXH64(series.data(), series.size(), 0) >> 48); }

// A series as a request names it; its hash is taken once, under the key of the tables that it is looked up in.
struct SeriesRef {
  std::string_view name;
  uint16_t block;
  Hash128 hash;

  SeriesRef(std::string_view name, uint16_t block, const HashKey& key)
      : name(name), block(block), hash(keyedHash128(key, name.data(), name.size())) {}
};

inline void appendU16(std::string& key, uint16_t value) {
  char bytes[2];
  storeU16BigEndian(bytes, value);
  key.append(bytes, 2);
}
inline void appendU48(std::string& key, uint64_t value) {
  char bytes[6];
  storeU48BigEndian(bytes, value);
  key.append(bytes, 6);
}
inline void appendU64(std::string& key, uint64_t value) {
  char bytes[8];
  storeU64BigEndian(bytes, value);
  key.append(bytes, 8);
}
inline void appendSeries(std::string& key, std::string_view series) {
  appendU16(key, static_cast<uint16_t>(series.size()));
  key.append(series);
}

inline void pagePrefix(std::string& key, uint16_t block, std::string_view series) {
  key.clear();
  appendU16(key, block);
  appendSeries(key, series);
}
inline void pageKey(std::string& key, uint16_t block, std::string_view series, uint64_t slice) {
  pagePrefix(key, block, series);
  appendU48(key, ~slice & kSliceMask);
}
// The slice of a page key: its last six bytes, inverted.
inline uint64_t sliceOfPageKey(std::string_view key) { return ~loadU48BigEndian(key.data() + key.size() - 6) & kSliceMask; }

inline void recordPrefix(std::string& key, uint64_t slice, uint16_t block, std::string_view series) {
  key.clear();
  appendU48(key, slice);
  appendU16(key, block);
  appendSeries(key, series);
}
inline void recordKey(std::string& key, uint64_t slice, uint16_t block, std::string_view series, uint64_t id) {
  recordPrefix(key, slice, block, series);
  appendU64(key, id);
}

inline std::string flushKey() { return "f"; }
inline std::string versionKey() { return "v"; }
inline std::string positionKey(uint16_t block) {
  std::string key = "p";
  appendU16(key, block);
  return key;
}
inline std::string answersPrefix(uint16_t block) {
  std::string key = "r";
  appendU16(key, block);
  return key;
}
inline std::string answersKey(uint16_t block, uint64_t firstIndex) {
  std::string key = answersPrefix(block);
  appendU48(key, firstIndex);
  return key;
}

// The smallest key above everything that starts with `prefix`. No key holds 0xff after eight 0xff bytes (a series is
// at most 512 bytes long), so that appending one is enough where there is no successor.
inline std::string afterPrefix(std::string prefix) {
  for (size_t i = prefix.size(); i > 0; i--) {
    if (static_cast<uint8_t>(prefix[i - 1]) != 0xff) {
      prefix[i - 1] = static_cast<char>(prefix[i - 1] + 1);
      prefix.resize(i);
      return prefix;
    }
  }
  prefix.push_back('\xff');
  return prefix;
}

inline bool startsWith(std::string_view key, std::string_view prefix) {
  return key.size() >= prefix.size() && memcmp(key.data(), prefix.data(), prefix.size()) == 0;
}

}  // namespace thermocline
