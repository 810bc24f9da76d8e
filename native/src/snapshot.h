// Snapshots: the rows of a batch of blocks as of the last flush, as they stand in the store, in parts:
//
//     part  u8 version = 2 | u32 sequence | u32 payload bytes | payload | u64 XXH3 of all before
//     row   u8 family (0 pages, 1 records, 2 meta) | u16 key bytes | u32 value bytes | key | value
//     last  u8 255 | u64 rows sent
//
// Order: the positions of all blocks, their answers, their pages, then records slice by slice and block by block within a slice:
// ascending keys in every family, so that the receiver writes sorted tables as the parts arrive, one ingest for the batch. A batch
// of several blocks is bounded in bytes; a block that is larger travels alone.
#pragma once

#include "engine.h"

namespace thermocline {

constexpr uint8_t kPartVersion = 2;
constexpr size_t kPartHeadBytes = 9;
constexpr size_t kChecksumBytes = 8;
constexpr size_t kRowHeadBytes = 7;
constexpr uint8_t kTrailer = 255;

// Blocks of one batch (MAX_BATCH_BLOCKS of node/src/paxos/constants.ts).
constexpr size_t kMostBatchBlocks = 2048;
// Rows of a batch of more than one block.
constexpr uint64_t kMostBatchBytes = uint64_t{64} << 20;
// What an answer counts for its bytes: the engine's thread takes each into the request table at the end of an install, and the others
// wait meanwhile.
constexpr uint64_t kAnswerWeight = 8;

// A row travels whole, so that a part may pass what was asked for by one row: the largest holds a record of the longest value and
// name. (Of answers it is less: kMostRowAnswers.)
constexpr size_t kMostPartTargetBytes = 512 * 1024;
constexpr size_t kMostRowBytes = kMaxValueBytes + kMaxSeriesBytes + 64;
constexpr size_t kMostPartBytes = kMostPartTargetBytes + kMostRowBytes + 64;
static_assert(kMostRowAnswers * kAnswerRowBytes + 64 < kMostRowBytes);

inline std::string blockPrefix(uint16_t block) {
  std::string prefix;
  appendU16(prefix, block);
  return prefix;
}

inline std::string slicePrefix(uint64_t slice, uint16_t block) {
  std::string prefix;
  appendU48(prefix, slice);
  appendU16(prefix, block);
  return prefix;
}

// Throws a bug unless the blocks are 1 to kMostBatchBlocks, each above the one before it.
void expectBatch(const std::vector<uint16_t>& blocks);

// Reads a batch out of a store snapshot, part by part. Used by one task at a time.
class Snapshot {
 public:
  Snapshot(std::shared_ptr<SortedStore> store, std::shared_ptr<const StoreSnapshot> snapshot, std::vector<uint16_t> blocks)
      : store_(std::move(store)), snapshot_(std::move(snapshot)), asked_(std::move(blocks)) {
    expectBatch(asked_);
  }

  // Decides, before the first part, which of the blocks are in it: those of which something is flushed, as many from the first on as
  // the bound of a batch takes. Returns them as (u16 block | u48 index | 28 bytes value id)*.
  std::string plan();
  // The next part, empty after the last: about `maxBytes`, and never more than kMostPartBytes.
  std::string read(size_t maxBytes);

  // Set while a task reads.
  bool busy = false;

 private:
  enum class Phase { positions, answers, pages, records, trailer, done };

  struct Content {
    uint16_t block;
    std::string position;
  };

  uint64_t bytesOf(uint16_t block, StoreIterator& meta, StoreIterator& pages) const;
  void fill(std::string& payload);
  bool fillFrom(Family family, std::string& payload);
  bool findRow(Family family);
  void appendRow(std::string& payload, Family family, std::string_view key, std::string_view value);

  const std::shared_ptr<SortedStore> store_;
  const std::shared_ptr<const StoreSnapshot> snapshot_;
  const std::vector<uint16_t> asked_;
  std::vector<Content> contents_;
  Phase phase_ = Phase::positions;
  size_t nextPosition_ = 0;
  uint32_t sequence_ = 0;
  uint64_t rows_ = 0;
  std::unique_ptr<StoreIterator> at_;
};

}  // namespace thermocline
