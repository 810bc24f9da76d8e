// SipHash-1-3 with a key of 128 random bits. Clients choose names and request ids, and XXH3 without a secret has collisions that
// anybody can construct: whatever a hash decides about such input is decided by this one. Its output tells two inputs apart
// for whoever does not know the key: 64 bits where a match is compared in full afterwards, 128 bits where it is not.
//
// Three kinds of keys: of a process (its tables in memory), of a file (a cache that outlives its process; the key stands in
// the file's head), of a block (its digest, which must agree between replicas; the block's log carries the key).
//
// Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF"; the 128-bit output as in their reference code.
#pragma once

#include "bytes.h"

namespace thermocline {

struct HashKey {
  uint64_t first = 0;
  uint64_t second = 0;

  bool operator==(const HashKey& other) const { return first == other.first && second == other.second; }
  bool operator!=(const HashKey& other) const { return !(*this == other); }
};

// From the system's source of randomness.
HashKey randomHashKey();

struct Hash128 {
  uint64_t low = 0;
  uint64_t high = 0;

  bool operator==(const Hash128& other) const { return low == other.low && high == other.high; }
};

namespace sip_detail {

inline uint64_t rotated(uint64_t value, int bits) { return (value << bits) | (value >> (64 - bits)); }

struct State {
  uint64_t v0, v1, v2, v3;

  explicit State(const HashKey& key)
      : v0(key.first ^ 0x736f6d6570736575), v1(key.second ^ 0x646f72616e646f6d), v2(key.first ^ 0x6c7967656e657261),
        v3(key.second ^ 0x7465646279746573) {}

  void round() {
    v0 += v1;
    v1 = rotated(v1, 13) ^ v0;
    v0 = rotated(v0, 32);
    v2 += v3;
    v3 = rotated(v3, 16) ^ v2;
    v0 += v3;
    v3 = rotated(v3, 21) ^ v0;
    v2 += v1;
    v1 = rotated(v1, 17) ^ v2;
    v2 = rotated(v2, 32);
  }
  void take(uint64_t word) {
    v3 ^= word;
    round();
    v0 ^= word;
  }
  // Whole words, then the last one, which holds the length's low byte.
  void takeAll(const void* from, size_t bytes) {
    const uint8_t* at = static_cast<const uint8_t*>(from);
    for (size_t left = bytes; left >= 8; left -= 8, at += 8) take(loadU64(at));
    uint64_t last = static_cast<uint64_t>(bytes) << 56;
    uint64_t tail = 0;
    memcpy(&tail, at, bytes % 8);
    take(last | tail);
  }
  uint64_t squeeze() {
    round();
    round();
    round();
    return v0 ^ v1 ^ v2 ^ v3;
  }
};

}  // namespace sip_detail

inline uint64_t keyedHash64(const HashKey& key, const void* from, size_t bytes) {
  sip_detail::State state(key);
  state.takeAll(from, bytes);
  state.v2 ^= 0xff;
  return state.squeeze();
}

inline Hash128 keyedHash128(const HashKey& key, const void* from, size_t bytes) {
  sip_detail::State state(key);
  state.v1 ^= 0xee;
  state.takeAll(from, bytes);
  state.v2 ^= 0xee;
  Hash128 hash;
  hash.low = state.squeeze();
  state.v1 ^= 0xdd;
  hash.high = state.squeeze();
  return hash;
}

// Of a page, from its series' keyed hash. Pages of one series never share a hash: the multiplier is odd, so that it takes no
// two numbers to one. Two series' hashes differ by a number that nobody knows without the key, and so do those of their pages.
inline Hash128 pageHash(const Hash128& series, uint64_t slice, uint16_t block, uint32_t generation) {
  constexpr unsigned __int128 multiplier = (static_cast<unsigned __int128>(0x9e3779b97f4a7c15) << 64) | 0xf39cc0605cedc835;
  const unsigned __int128 number = (static_cast<unsigned __int128>(slice) << 48) | (static_cast<uint64_t>(block) << 32) | generation;
  const unsigned __int128 sum = ((static_cast<unsigned __int128>(series.high) << 64) | series.low) + number * multiplier;
  return {static_cast<uint64_t>(sum), static_cast<uint64_t>(sum >> 64)};
}

}  // namespace thermocline
