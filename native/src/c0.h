// C0, the memory component: everything applied since the last flush, laid over the store. A hash of series, per series
// its pages in slice order, per page its records in id order. Appending at the end is the common case and touches the
// last leaf of the last page; a new value that fits overwrites the old one in place.
//
// Invariants:
//  - a page here carries the block's exact current header; it was loaded from below when the page entered;
//  - `fresh` pages have nothing below them: their header was absent when they entered;
//  - a record here hides the one below, also when it is a removal;
//  - an active component is touched by the engine's thread only; a frozen one never changes, so any thread may read it.
//
// Records of a page stand in leaves of at most 64 slots under a sorted directory, so that a random insert into a large
// page moves a bounded number of bytes. Everything lives in one arena.
#pragma once

#include <memory>
#include <vector>

#include "arena.h"
#include "rows.h"

namespace thermocline {

// A record's value, or its removal.
struct Blob {
  uint64_t versionAndRemoved;
  uint32_t size;
  uint32_t capacity;

  static constexpr uint64_t kRemoved = uint64_t{1} << 63;
  uint64_t version() const { return versionAndRemoved & ~kRemoved; }
  bool removed() const { return (versionAndRemoved & kRemoved) != 0; }
  uint8_t* data() { return reinterpret_cast<uint8_t*>(this + 1); }
  std::string_view value() const { return {reinterpret_cast<const char*>(this + 1), size}; }
};

struct Slot {
  uint64_t id;
  Blob* blob;
};

struct Leaf {
  uint32_t count;
  uint32_t capacity;
  Slot* slots() { return reinterpret_cast<Slot*>(this + 1); }
  const Slot* slots() const { return reinterpret_cast<const Slot*>(this + 1); }
};

struct LeafRef {
  uint64_t firstId;
  Leaf* leaf;
};

struct Page {
  PageHeader header;
  uint64_t slice;
  // The header's part in the digest, 0 while the page does not exist.
  uint64_t element;
  bool exists;
  bool fresh;
  uint32_t leafCount;
  uint32_t leafCapacity;
  LeafRef* leaves;
  LeafRef only;
};

struct Series {
  Hash128 hash;
  // What stands for the series in the block's digest.
  Hash128 digestName;
  Series* nextInBlock;
  Page** pages;
  uint32_t pageCount;
  uint32_t pageCapacity;
  uint16_t block;
  uint16_t length;
  std::string_view name() const { return {reinterpret_cast<const char*>(this + 1), length}; }
};

struct AnswerRowRange {
  uint64_t firstIndex;
  uint64_t lastIndex;
};

// What one block did in this component.
struct BlockLog {
  uint16_t block = 0;
  bool dropped = false;
  HashKey digestKey;
  Series* series = nullptr;
  // Answers given, in the format of an answers row.
  std::string answers;
  // Set by rotate: the block's position at that moment, and the rows on disk that its horizon has passed.
  Position position;
  std::vector<AnswerRowRange> expiredRows;
};

class C0 {
 public:
  C0();

  Series* find(const SeriesRef& series) const;
  Series& findOrAdd(const SeriesRef& series, BlockLog& log);
  static Page* findPage(const Series& series, uint64_t slice);
  // Position of the first page with a slice ≥ the given one.
  static uint32_t lowerBound(const Series& series, uint64_t slice);
  // Adds a page that is known not to be here.
  Page& addPage(Series& series, uint64_t slice, const PageHeader* below, const HashKey& digestKey);
  static const Blob* findRecord(const Page& page, uint64_t id);
  void put(Page& page, uint64_t id, uint64_t version, std::string_view value);
  void remove(Page& page, uint64_t id, uint64_t version);

  BlockLog& addLog(uint16_t block);
  // The block's digest has another key now.
  static void rekey(BlockLog& log, const HashKey& key);
  const std::vector<std::unique_ptr<BlockLog>>& logs() const { return logs_; }
  std::vector<std::unique_ptr<BlockLog>>& logs() { return logs_; }
  void addAnswer(BlockLog& log, const Answer& answer);
  // Forgets a block; its bytes stay claimed until the component goes.
  void drop(BlockLog& log);

  size_t bytes() const { return arena_.bytes() + table_.capacity() * sizeof(Series*) + logBytes_; }
  bool empty() const { return logs_.empty(); }
  size_t records() const { return records_; }

 private:
  Blob** slotFor(Page& page, uint64_t id);
  void growTable();
  Leaf* newLeaf(uint32_t capacity);
  void freeLeaf(Leaf* leaf);
  void insertLeaf(Page& page, uint32_t at, LeafRef ref);

  Arena arena_;
  std::vector<Series*> table_;
  size_t seriesCount_ = 0;
  size_t records_ = 0;
  std::vector<std::unique_ptr<BlockLog>> logs_;
  size_t logBytes_ = 0;
  // Leaves that were outgrown, by log2 of their capacity.
  Leaf* freeLeaves_[7] = {};
};

// Walks a page's records in either direction.
class RecordCursor {
 public:
  RecordCursor() = default;
  // First id ≥ / last id ≤ the given one. A null page is empty.
  void seek(const Page* page, uint64_t id);
  void seekForPrev(const Page* page, uint64_t id);
  bool valid() const { return slot_ != nullptr; }
  uint64_t id() const { return slot_->id; }
  const Blob& blob() const { return *slot_->blob; }
  void next();
  void prev();

 private:
  void settle();
  const Page* page_ = nullptr;
  int64_t leaf_ = 0;
  int64_t at_ = 0;
  const Slot* slot_ = nullptr;
};

}  // namespace thermocline
