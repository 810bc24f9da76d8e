// The block digest: a 64-bit sum, modulo 2^64, of one hash per element of a block's state. A sum does not depend on the
// order of its terms, so replicas that applied the same entries agree whatever they flushed and when, and an element
// leaves by subtraction. Elements: records, page headers, answers of the request table, and the horizon. The element of
// a record is what a proposer ships as "old hash", so that followers need not read the old record.
//
// Elements are keyed hashes: a client that could compute them could choose records that cancel each other out of the sum. The
// key is the block's own, the same on all its replicas.
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
enum Kind : uint64_t { record = 1, page = 2, answer = 3, horizon = 4 };
}

// What stands for a series in the elements of its records and pages.
inline Hash128 digestName(const HashKey& key, std::string_view series) { return keyedHash128(key, series.data(), series.size()); }

inline uint64_t recordElement(const HashKey& key, const Hash128& series, uint64_t id, uint64_t version, std::string_view value) {
  const uint64_t words[7] = {digest_detail::record, series.low,   series.high, id, version, value.size(),
                             keyedHash64(key, value.data(), value.size())};
  return keyedHash64(key, words, sizeof words);
}

inline uint64_t pageElement(const HashKey& key, const Hash128& series, uint64_t slice, const PageHeader& page) {
  const uint64_t words[8] = {digest_detail::page, series.low, series.high, slice, page.version, page.bytes, page.floor, page.count};
  return keyedHash64(key, words, sizeof words);
}

inline uint64_t answerElement(const HashKey& key, const uint8_t* requestId, uint64_t index, uint8_t code, const uint8_t* detail) {
  const uint64_t words[6] = {digest_detail::answer, loadU64(requestId), loadU64(requestId + 8), index, code, loadU64(detail)};
  return keyedHash64(key, words, sizeof words);
}

inline uint64_t horizonElement(const HashKey& key, uint64_t horizon) {
  const uint64_t words[2] = {digest_detail::horizon, horizon};
  return horizon == 0 ? 0 : keyedHash64(key, words, sizeof words);
}

}  // namespace thermocline
