// The installation of a batch of blocks that a peer's snapshot brings; its format stands in snapshot.h.
#pragma once

#include "snapshot.h"

namespace thermocline {

// Collects the parts of a snapshot into an ingest and checks them as they come: it adds up the digest of what it gets, per block.
// Only if everything came, and each sum is the one in its block's position, does the new content replace the old, in one ingest that
// removes the blocks' old rows. A block that fails fails the batch: its rows stand in the tables of the others.
class Install {
 public:
  struct Content {
    uint16_t block = 0;
    bool hasPosition = false;
    Position position;
    uint64_t digest = 0;
    uint64_t lastAnswerIndex = 0;
    std::vector<std::string> answerRows;
  };

  Install(std::shared_ptr<SortedStore> store, const std::vector<uint16_t>& blocks, uint64_t sliceDurationMs);

  // An empty part ends the snapshot: what came is checked, and made durable where nobody sees it yet. Throws `corrupt` for a part
  // that is malformed, or that holds what no block of the batch holds.
  void add(std::string_view part);
  // After the empty part; no flush may come between the two.
  void commit();

  bool isPrepared() const { return prepared_; }
  const std::vector<Content>& contents() const { return contents_; }
  bool busy = false;

 private:
  // Throws unless everything came and each digest is the one its position names.
  void verify() const;
  // Adds the removal of the blocks' old content.
  void prepare();
  void addPart(std::string_view part);
  void addRow(uint8_t family, std::string_view key, std::string_view value);
  void addMeta(std::string_view key, std::string_view value);
  void addPosition(Content& content, std::string_view value);
  void addAnswers(Content& content, std::string_view key, std::string_view value);
  void addPage(std::string_view key, std::string_view value);
  void addRecord(std::string_view key, std::string_view value);
  Content& contentOf(uint16_t block);
  Content& positioned(uint16_t block);
  const Hash128& digestNameOf(const Content& content, std::string_view series);

  const uint64_t sliceDurationMs_;
  const std::shared_ptr<SortedStore> store_;
  std::unique_ptr<Ingest> ingest_;
  std::vector<Content> contents_;
  // The content that the last row belonged to.
  size_t lastContent_ = 0;
  uint32_t sequence_ = 0;
  uint64_t rows_ = 0;
  uint64_t bytes_ = 0;
  bool complete_ = false;
  bool prepared_ = false;
  std::string lastKeys_[kFamilyCount];
  std::string lastSeries_;
  uint16_t lastSeriesBlock_ = 0;
  Hash128 lastName_;
};

}  // namespace thermocline
