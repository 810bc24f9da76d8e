// Headers of the pages that one flush wrote, kept in memory after its component is gone: a page that is written again
// soon would otherwise cost a read of the store when it enters the new component (most of apply's time, where there are
// many small pages). A table is built once, by the flush, and never changes; it takes 40 bytes per slot at a load of
// three quarters. It holds for a page as long as no newer component or table knows the page, and until any block is
// replaced by a snapshot. Names are not kept: pages are told apart by 128 bits under the engine's key, which no client knows.
#pragma once

#include <vector>

#include "c0.h"

namespace thermocline {

class RecentHeaders {
 public:
  explicit RecentHeaders(size_t pages) : entries_(pages + pages / 3 + 8) {}

  void add(const Series& series, const Page& page) {
    const Hash128 key = pageHash(series.hash, page.slice, series.block, 0);
    size_t at = homeOf(key);
    while (entries_[at].state != kEmpty) at = after(at);
    Entry& entry = entries_[at];
    entry.key = key;
    entry.version = page.header.version;
    entry.floor = page.header.floor;
    entry.bytes = page.header.bytes;
    entry.countLow = page.header.count & 0xffff;
    entry.countHigh = page.header.count >> 16;
    entry.state = page.exists ? kExists : kAbsent;
  }

  // False if the table does not know the page. A removed page is known not to exist.
  bool find(const SeriesRef& series, uint64_t slice, PageHeader& header, bool& exists) const {
    const Hash128 key = pageHash(series.hash, slice, series.block, 0);
    for (size_t at = homeOf(key);; at = after(at)) {
      const Entry& entry = entries_[at];
      if (entry.state == kEmpty) return false;
      if (!(entry.key == key)) continue;
      exists = entry.state == kExists;
      header.version = entry.version;
      header.floor = entry.floor;
      header.bytes = entry.bytes;
      header.count = static_cast<uint32_t>(entry.countLow | (entry.countHigh << 16));
      return true;
    }
  }

  size_t bytes() const { return entries_.size() * sizeof(Entry); }

 private:
  static constexpr uint64_t kEmpty = 0;
  static constexpr uint64_t kExists = 1;
  static constexpr uint64_t kAbsent = 2;
  struct Entry {
    Hash128 key{};
    uint64_t version : 48;
    uint64_t countLow : 16;
    uint64_t floor : 48;
    uint64_t countHigh : 16;
    uint64_t bytes : 62;
    uint64_t state : 2;
    Entry() : version(0), countLow(0), floor(0), countHigh(0), bytes(0), state(kEmpty) {}
  };
  static_assert(sizeof(Entry) == 40);

  // Scales the hash to the table's size, which need not be a power of two.
  size_t homeOf(const Hash128& key) const {
    return static_cast<size_t>((static_cast<unsigned __int128>(key.low) * entries_.size()) >> 64);
  }
  size_t after(size_t at) const { return at + 1 == entries_.size() ? 0 : at + 1; }

  std::vector<Entry> entries_;
};

}  // namespace thermocline
