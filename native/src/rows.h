// Values of the three families. Each starts with a format byte, so that a later version can add fields.
//
//     page      u8 1 | u8 state (0 hot) | version u48 | count u32 | bytes u64 | floor u48
//     record    version u48 | value
//     position  u8 2 | index u48 | value id 28 bytes | horizon u48 | digest u64 | digest key 16 bytes
//     flush     u64
//     answers   (request id 16 bytes | index u48 | code u8 | detail 8 bytes)*
#pragma once

#include <array>

#include "digest.h"

namespace thermocline {

constexpr uint32_t kDiskVersion = 2;
constexpr size_t kValueIdBytes = 28;
constexpr size_t kRequestIdBytes = 16;
constexpr size_t kDetailBytes = 8;
constexpr size_t kPageRowBytes = 26;
constexpr size_t kRecordHeadBytes = 6;
constexpr size_t kAnswerRowBytes = 31;
// Answers in one row: those of an entry (MAX_ENTRY_REQUESTS of protocol/src/constants.ts) stand in one. A block may give
// hundreds of thousands between two flushes, and a row travels whole.
constexpr size_t kMostRowAnswers = 4096;
constexpr size_t kMaxValueBytes = 1024 * 1024;

constexpr uint8_t kPositionFormat = 2;

struct Position {
  uint64_t index = 0;
  uint64_t horizon = 0;
  uint64_t digest = 0;
  std::array<uint8_t, kValueIdBytes> valueId{};
  // Of the block's digest: 16 random bytes that the block's first entry has brought, the same on every replica.
  HashKey digestKey;
};

// One answer of the request table, as stored and shipped.
struct Answer {
  const uint8_t* requestId;
  uint64_t index;
  uint8_t code;
  const uint8_t* detail;
};

inline void encodePage(const PageHeader& page, char (&out)[kPageRowBytes]) {
  out[0] = 1;
  out[1] = 0;
  storeU48(out + 2, page.version);
  storeU32(out + 8, page.count);
  storeU64(out + 12, page.bytes);
  storeU48(out + 20, page.floor);
}

inline PageHeader decodePage(std::string_view row) {
  if (row.size() != kPageRowBytes || row[0] != 1 || row[1] != 0) throwCorrupt("a page header on disk has an unknown format");
  PageHeader page;
  page.version = loadU48(row.data() + 2);
  page.count = loadU32(row.data() + 8);
  page.bytes = loadU64(row.data() + 12);
  page.floor = loadU48(row.data() + 20);
  return page;
}

inline std::string encodePosition(const Position& position) {
  std::string row;
  Sink sink(row);
  sink.u8(kPositionFormat);
  sink.u48(position.index);
  sink.put(position.valueId.data(), kValueIdBytes);
  sink.u48(position.horizon);
  sink.u64(position.digest);
  sink.u64(position.digestKey.first);
  sink.u64(position.digestKey.second);
  return row;
}

// The largest number of 48 bits stands for "nothing is held" where caches name versions (protocol/src/constants.ts, MAX_INDEX).
constexpr uint64_t kMostIndex = kSliceMask - 1;

inline Position decodePosition(std::string_view row) {
  Reader reader(row, "a block position on disk");
  if (reader.u8() != kPositionFormat) throwCorrupt("a block position on disk has an unknown format");
  Position position;
  position.index = reader.u48();
  memcpy(position.valueId.data(), reader.take(kValueIdBytes), kValueIdBytes);
  position.horizon = reader.u48();
  position.digest = reader.u64();
  position.digestKey.first = reader.u64();
  position.digestKey.second = reader.u64();
  reader.finish();
  if (position.index > kMostIndex || position.horizon > kMostIndex) throwCorrupt("a block position on disk has an index out of range");
  return position;
}

inline void appendAnswer(std::string& row, const Answer& answer) {
  char bytes[kAnswerRowBytes];
  memcpy(bytes, answer.requestId, kRequestIdBytes);
  storeU48(bytes + 16, answer.index);
  bytes[22] = static_cast<char>(answer.code);
  memcpy(bytes + 23, answer.detail, kDetailBytes);
  row.append(bytes, kAnswerRowBytes);
}

inline Answer decodeAnswer(const char* row) {
  const uint8_t* at = reinterpret_cast<const uint8_t*>(row);
  return {at, loadU48(at + 16), at[22], at + 23};
}

inline std::string_view recordValue(std::string_view row) {
  if (row.size() < kRecordHeadBytes) throwCorrupt("a record on disk is too short");
  return row.substr(kRecordHeadBytes);
}

}  // namespace thermocline
