// Content of a page as the cache holds it: where each record begins, then the records, oldest first. A directory's is its
// slices, newest first.
//
//     page       u32 offset* | (id u64 | version u48 | u32 length | value)*       offsets from the first record
//     directory  slice u48*
#pragma once

#include <vector>

#include "bytes.h"

namespace thermocline {

enum class HeldKind : uint8_t { page = 0, directory = 1, large = 2 };

// How a page stands in a validation (protocol/src/client-messages.ts, PageVerdict).
enum class Verdict : uint8_t { unchanged = 0, absent = 1, records = 2, page = 3, large = 4 };

struct Held {
  uint64_t version;
  HeldKind kind;
  // That the series belongs to.
  uint16_t block;
  // Records of a page, slices of a directory.
  uint32_t count;
  // When it was put or last moved to the head; put sets it.
  uint32_t writtenSeconds = 0;
  // Valid until the next put.
  std::string_view content;
};

struct RecordView {
  uint64_t id;
  uint64_t version;
  std::string_view value;
  // As it stands: id, version, length and value.
  std::string_view bytes;
};

// Reads what `isWellFormed` (page_structure.h) has found to be a page, or what this process has built; it checks nothing.
class PageContent {
 public:
  PageContent(std::string_view content, uint32_t count) : content_(content), count_(count) {}

  uint32_t count() const { return count_; }
  RecordView at(uint32_t i) const {
    const char* from = content_.data() + count_ * size_t{4} + loadU32(content_.data() + i * size_t{4});
    const uint32_t length = loadU32(from + 14);
    return {loadU64BigEndian(from), loadU48(from + 8), {from + 18, length}, {from, 18 + size_t{length}}};
  }
  uint64_t idAt(uint32_t i) const { return loadU64BigEndian(content_.data() + count_ * size_t{4} + loadU32(content_.data() + i * size_t{4})); }
  // Place of the first record with an id ≥ the given one; `count` if there is none.
  uint32_t lowerBound(uint64_t id) const {
    uint32_t from = 0;
    uint32_t to = count_;
    while (from < to) {
      const uint32_t middle = from + (to - from) / 2;
      if (idAt(middle) < id) {
        from = middle + 1;
      } else {
        to = middle;
      }
    }
    return from;
  }
  uint64_t sliceAt(uint32_t i) const { return loadU48(content_.data() + i * size_t{6}); }

 private:
  const std::string_view content_;
  const uint32_t count_;
};

// Builds a page's content from records that come oldest first.
class PageBuilder {
 public:
  void reset() {
    offsets_.clear();
    records_.clear();
  }
  void add(std::string_view record) {
    offsets_.push_back(static_cast<uint32_t>(records_.size()));
    records_.append(record);
  }
  uint32_t count() const { return static_cast<uint32_t>(offsets_.size()); }
  // Valid until the next call of any method.
  std::string_view content() {
    content_.assign(reinterpret_cast<const char*>(offsets_.data()), offsets_.size() * 4);
    content_.append(records_);
    return content_;
  }

 private:
  std::vector<uint32_t> offsets_;
  std::string records_;
  std::string content_;
};

}  // namespace thermocline
