// The memory tier's cache: page → content, in one file of a fixed size on tmpfs, which outlives the process.
//
//     header | index rows | ring 0 | ring 1 | …
//
// A ring takes entries at its head and wraps at its end, over the oldest ones. A page's hash names its ring and, in that
// ring's part of the index, a row of eight slots; a slot holds a tag of the hash and the entry's position, counted from the
// ring's beginning and never going back, so that a position says by itself whether the entry has been written over. Finding
// an entry that is about to be written over copies it to the head: rings are LRU, in steps of half a ring. Nothing is
// allocated for an entry, and nothing has to be rebuilt at a start.
//
// An entry carries its page's name, which a look-up compares; the hash only says where to look, and its key stands in the file's
// head, so that nobody can choose pages that all fall into one row. It carries a checksum over itself, too. That and its structure
// are checked when an entry of an earlier process is first found: that process may have died while it wrote. What this
// process has written it has written whole.
//
// For a peer that warms up, a ring is read from its middle to its head: what was found since it passed the middle has been
// copied to the head, so that what is hot is there. Entries travel as they stand, checksums and all; who takes them checks that
// they are pages (page_structure.h).
//
// The file is bound to its owner (cluster, restore generation) and to this run of the machine. Nothing in it is believed
// without validation: what is old in it costs a round trip, no more.
#pragma once

#include "keys.h"
#include "mapped_file.h"
#include "page_structure.h"

namespace thermocline {

// A page's name, and its hash under the cache's key.
struct PageKey {
  Hash128 hash;
  std::string_view series;
  uint64_t slice;
};

inline PageKey pageKeyOf(const SeriesRef& series, uint64_t slice) { return {pageHash(series.hash, slice, 0, 0), series.name, slice}; }

class PageCache {
 public:
  static constexpr size_t kRings = 64;
  // What an entry may have of content, in a cache that is not very small.
  static constexpr size_t kMostContentBytes = 96 * 1024;
  // For tests; what `--cache` may be at least holds pages of every size.
  static constexpr uint64_t kLeastBytes = 1024 * 1024;

  // Throws EngineError: `disk_full`, `locked`, or a range error for fewer than kLeastBytes.
  // `fresh` is the key of a file that starts empty.
  PageCache(const std::string& path, uint64_t bytes, const std::string& owner, uint32_t boot, uint64_t sliceDurationMs, const HashKey& fresh);

  // Under this key series are hashed.
  const HashKey& key() const { return key_; }

  bool find(const PageKey& key, uint32_t nowSeconds, Held& held);
  // Has the index row of a page that is about to be looked for fetched into the processor's caches; then, once it is there, the entry.
  void expectRow(const PageKey& key) const { __builtin_prefetch(&rowOf(rings_[key.hash.high >> 58], key)); }
  void expectEntry(const PageKey& key) const;
  // Takes the place of what was there. False if a ring does not hold several of its size: what was there stays.
  bool put(const PageKey& key, uint32_t nowSeconds, const Held& page);

  // Appends entries of a ring that were found more than once, from `position` on, 0 for where the hot ones begin: those
  // whose block belongs to `owner` by the table. Does a bounded piece of work, and returns where to go on, 0 at the end.
  uint64_t copyHot(size_t ring, uint64_t position, const uint16_t* owners, uint16_t owner, std::string& out);
  // Puts what another cache has copied out, except what is held already. Returns how many entries were put. Throws a range
  // error if it is malformed or damaged; what came before stays.
  uint32_t putHot(std::string_view entries, uint32_t nowSeconds);

  struct RingFigures {
    uint64_t hits = 0;
    uint64_t misses = 0;
    // Entries written over or pushed out of the index, and entries found torn.
    uint64_t evictions = 0;
    uint64_t torn = 0;
    uint64_t bytes = 0;
    // When the oldest entry was written; 0 if there is none.
    uint32_t oldestSeconds = 0;
  };
  RingFigures figures(size_t ring) const;
  size_t bytes() const { return file_.size(); }
  // True if the file held a cache of this owner.
  bool warm() const { return warm_; }

 private:
  static constexpr size_t kRowSlots = 8;
  struct Row {
    uint64_t slots[kRowSlots];
  };
  struct Entry {
    uint32_t magic;
    // In all, a multiple of 8.
    uint32_t size;
    uint64_t slice;
    uint64_t version;
    uint32_t count;
    uint32_t contentBytes;
    uint16_t kind;
    uint16_t block;
    uint16_t nameBytes;
    // Not under the checksum: how often it was found since it was written, and the process that has written or checked it.
    uint16_t found;
    uint32_t boot;
    uint32_t writtenSeconds;
    uint64_t check;

    std::string_view name() const { return {reinterpret_cast<const char*>(this + 1), nameBytes}; }
    std::string_view content() const { return {reinterpret_cast<const char*>(this + 1) + nameBytes, contentBytes}; }
    size_t bytes() const { return sizeof(Entry) + nameBytes + size_t{contentBytes}; }
  };
  static_assert(sizeof(Entry) == 56);
  // Counted in units of kUnit.
  struct RingState {
    uint64_t head;
    // The oldest entry that is whole.
    uint64_t tail;
  };
  struct Header {
    uint64_t magic;
    uint32_t format;
    uint32_t rings;
    uint64_t bytes;
    uint64_t ownerHash;
    HashKey key;
    uint64_t reserved[2];
    RingState states[kRings];
  };
  struct Ring {
    RingState* state;
    Row* rows;
    uint8_t* data;
    uint64_t hits = 0;
    uint64_t misses = 0;
    uint64_t evictions = 0;
    uint64_t torn = 0;
  };

  Ring& ringOf(const PageKey& key) { return rings_[key.hash.high >> 58]; }
  Row& rowOf(const Ring& ring, const PageKey& key) const;
  Entry* entryAt(const Ring& ring, uint64_t position) const;
  bool isHeld(const Ring& ring, uint64_t position) const;
  bool isEntryOf(const Entry& entry, const PageKey& key, uint64_t leftBytes) const;
  bool isWhole(Entry& entry, uint64_t leftBytes) const;
  bool isSound(const Entry& entry) const;
  bool hasSoundStates() const;
  static uint64_t checkOf(const Entry& entry);
  uint64_t append(Ring& ring, const Entry& head, std::string_view name, std::string_view content);
  void makeRoom(Ring& ring, uint64_t end);
  void note(Ring& ring, const PageKey& key, uint64_t position);
  bool holds(const PageKey& key) const;
  bool isNoted(const Ring& ring, const PageKey& key, uint64_t position) const;
  uint64_t firstFrom(const Ring& ring, uint64_t position) const;

  const MappedFile file_;
  const uint32_t boot_;
  const uint64_t sliceDurationMs_;
  HashKey key_;
  uint64_t rowsPerRing_ = 0;
  // Of a ring's data, in units.
  uint64_t capacity_ = 0;
  bool warm_ = false;
  Ring rings_[kRings];
};

}  // namespace thermocline
