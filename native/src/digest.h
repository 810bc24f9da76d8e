// The block digest: a 64-bit sum, modulo 2^64, of one hash per element of a block's state. A sum does not depend on the
// order of its terms, so replicas that applied the same entries agree whatever they flushed and when, and an element
// leaves by subtraction. Elements: records, page headers, answers of the request table, and the horizon. The element of
// a record is what a proposer ships as "old hash", so that followers need not read the old record.
#pragma once

#include "keys.h"

namespace thermocline {

struct PageHeader {
  uint64_t version = 0;
  uint64_t bytes = 0;
  uint64_t floor = 0;
  uint32_t count = 0;
};

namespace digest_detail {
enum Seed : uint64_t { record = 1, page = 2, answer = 3, horizon = 4 };
}

inline uint64_t recordElement(const XXH128_hash_t& series, uint64_t id, uint64_t version, std::string_view value) {
  const uint64_t words[6] = {series.low64, series.high64, id, version, value.size(), XXH3_64bits(value.data(), value.size())};
  return XXH3_64bits_withSeed(words, sizeof words, digest_detail::record);
}

inline uint64_t pageElement(const XXH128_hash_t& series, uint64_t slice, const PageHeader& page) {
  const uint64_t words[7] = {series.low64, series.high64, slice, page.version, page.bytes, page.floor, page.count};
  return XXH3_64bits_withSeed(words, sizeof words, digest_detail::page);
}

inline uint64_t answerElement(const uint8_t* requestId, uint64_t index, uint8_t code, const uint8_t* detail) {
  const uint64_t words[5] = {loadU64(requestId), loadU64(requestId + 8), index, code, loadU64(detail)};
  return XXH3_64bits_withSeed(words, sizeof words, digest_detail::answer);
}

inline uint64_t horizonElement(uint64_t horizon) {
  return horizon == 0 ? 0 : XXH3_64bits_withSeed(&horizon, sizeof horizon, digest_detail::horizon);
}

}  // namespace thermocline
