// Bump allocation for one memory component: what it hands out lives until the component goes, all at once. Chunks grow
// from small to large, so that an engine that holds little costs little. Everything is counted, so that the component
// knows its size exactly.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

namespace thermocline {

class Arena {
 public:
  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena() {
    for (void* chunk : chunks_) free(chunk);
  }

  // Aligned to 8 bytes.
  void* take(size_t bytes) {
    bytes = (bytes + 7) & ~size_t{7};
    if (bytes > left_) return takeSlow(bytes);
    void* at = next_;
    next_ += bytes;
    left_ -= bytes;
    return at;
  }

  // Bytes claimed from the system; the unused rest of the newest chunk is not counted.
  size_t bytes() const { return claimed_ - left_; }

 private:
  static constexpr size_t kFirstChunkBytes = 4096;
  static constexpr size_t kLargestChunkBytes = size_t{1} << 20;

  void* takeSlow(size_t bytes) {
    if (bytes > chunkBytes_ / 4) {
      claimed_ += bytes;
      return claim(bytes);
    }
    next_ = static_cast<uint8_t*>(claim(chunkBytes_));
    claimed_ += chunkBytes_;
    left_ = chunkBytes_;
    if (chunkBytes_ < kLargestChunkBytes) chunkBytes_ *= 2;
    return take(bytes);
  }

  void* claim(size_t bytes) {
    void* chunk = malloc(bytes);
    if (chunk == nullptr) throw std::bad_alloc();
    chunks_.push_back(chunk);
    return chunk;
  }

  std::vector<void*> chunks_;
  uint8_t* next_ = nullptr;
  size_t left_ = 0;
  size_t chunkBytes_ = kFirstChunkBytes;
  size_t claimed_ = 0;
};

}  // namespace thermocline
