// Snapshots of a block and their installation elsewhere. The format and its rules stand in snapshot.cc.
#pragma once

#include "engine.h"

namespace thermocline {

// A row travels whole, so that a part may pass what was asked for by one row: the largest holds a record of the longest value and
// name. (Of answers it is less: kMostRowAnswers.)
constexpr size_t kMostPartTargetBytes = 512 * 1024;
constexpr size_t kMostRowBytes = kMaxValueBytes + kMaxSeriesBytes + 64;
constexpr size_t kMostPartBytes = kMostPartTargetBytes + kMostRowBytes + 64;
static_assert(kMostRowAnswers * kAnswerRowBytes + 64 < kMostRowBytes);

// Reads a block out of a store snapshot, part by part. Used by one task at a time.
class Snapshot {
 public:
  Snapshot(std::shared_ptr<SortedStore> store, std::shared_ptr<const StoreSnapshot> snapshot, uint16_t block, const Position& position)
      : position(position), store_(std::move(store)), snapshot_(std::move(snapshot)), block_(block) {}

  // The next part, empty after the last: about `maxBytes`, and never more than kMostPartBytes.
  std::string read(size_t maxBytes);

  const Position position;
  // Set while a task reads.
  bool busy = false;

 private:
  enum class Phase { position, answers, pages, records, trailer, done };

  void fill(std::string& payload);
  bool fillFrom(Family family, const std::string& prefix, std::string& payload);

  const std::shared_ptr<SortedStore> store_;
  const std::shared_ptr<const StoreSnapshot> snapshot_;
  const uint16_t block_;
  Phase phase_ = Phase::position;
  uint32_t sequence_ = 0;
  uint64_t rows_ = 0;
  std::unique_ptr<StoreIterator> at_;
  std::vector<uint64_t> slices_;
  size_t slice_ = 0;
  std::string prefix_;
};

// Collects the parts of a snapshot into an ingest and checks them as they come.
class Install {
 public:
  Install(std::shared_ptr<SortedStore> store, uint16_t block, uint64_t sliceDurationMs)
      : block_(block), sliceDurationMs_(sliceDurationMs), store_(std::move(store)), ingest_(store_->ingest()) {}

  // An empty part ends the snapshot: what came is checked, and made durable where nobody sees it yet. Throws `corrupt` for a part
  // that is malformed, or that holds what no block holds.
  void add(std::string_view part);
  // After the empty part; no flush may come between the two.
  void commit();

  bool isPrepared() const { return prepared_; }
  const Position& position() const { return position_; }
  const std::vector<std::string>& answerRows() const { return answerRows_; }
  bool busy = false;

 private:
  // Throws unless everything came and its digest is the one the position names.
  void verify() const;
  // Adds the removal of the block's old content.
  void prepare();
  void addPart(std::string_view part);
  void addRow(uint8_t family, std::string_view key, std::string_view value);
  void addMeta(std::string_view key, std::string_view value);
  void addPage(std::string_view key, std::string_view value);
  void addRecord(std::string_view key, std::string_view value);
  const Hash128& digestNameOf(std::string_view series);

  const uint16_t block_;
  const uint64_t sliceDurationMs_;
  const std::shared_ptr<SortedStore> store_;
  std::unique_ptr<Ingest> ingest_;
  uint32_t sequence_ = 0;
  uint64_t rows_ = 0;
  bool complete_ = false;
  bool prepared_ = false;
  bool hasPosition_ = false;
  Position position_;
  uint64_t digest_ = 0;
  std::vector<std::string> answerRows_;
  uint64_t lastAnswerIndex_ = 0;
  std::string lastKeys_[kFamilyCount];
  std::string lastSeries_;
  Hash128 lastName_;
};

}  // namespace thermocline
