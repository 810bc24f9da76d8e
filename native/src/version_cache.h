// The version cache: page → version, in a file on tmpfs that outlives the process (⚖14). A fixed-size array of rows; a
// page's row is its hash, its place in the row is its age: touching an entry moves it to the front, a new one pushes the
// last out. No pointers, no allocation, nothing to rebuild.
//
// An entry is 24 bytes: a 96-bit fingerprint of (block, series, slice, the block's generation), the version, and a
// check over both, so that an entry half written by a dying process is never served. Raising a block's generation makes
// every entry of it unfindable at once. A version of 0 says that the page is known not to exist. A fingerprint decides alone
// which page an entry is of: it is part of a keyed hash, and the key is random and stands in the file's head.
//
// The file starts with a magic, a format version, its dimensions and a hash of the volume's incarnation and of the run of
// the machine (a file that outlived a power cut may be older than the engine); anything else
// than expected starts it empty. Generations stand in the file too, with their sum in the header: an old one must come
// back neither with a restart nor by a flipped bit.
#pragma once

#include <string>

#include "keys.h"
#include "mapped_file.h"

namespace thermocline {

class VersionCache {
 public:
  // An empty path keeps the array in process memory. Throws EngineError if the file can't be mapped.
  // `fresh` is the key of a file that starts empty.
  VersionCache(const std::string& path, uint64_t bytes, const std::string& incarnation, const HashKey& fresh);
  VersionCache(const VersionCache&) = delete;
  VersionCache& operator=(const VersionCache&) = delete;

  bool find(const SeriesRef& series, uint64_t slice, uint64_t& version);
  void put(const SeriesRef& series, uint64_t slice, uint64_t version);
  void raiseGeneration(uint16_t block);
  // What a read from disk finds goes into the cache only under the generation that it began in.
  uint32_t generation(uint16_t block) const { return generations_[block]; }

  // Under this key series are hashed.
  const HashKey& key() const { return key_; }
  size_t bytes() const { return file_.size(); }
  // True if the file held a cache of this volume.
  bool warm() const { return warm_; }
  uint64_t hits() const { return hits_; }
  uint64_t misses() const { return misses_; }

 private:
  struct Entry {
    uint64_t fingerprint;
    uint32_t fingerprintRest;
    uint32_t check;
    uint64_t version;
  };
  static constexpr size_t kRowEntries = 8;
  struct Row {
    Entry entries[kRowEntries];
  };
  struct Header {
    uint64_t magic;
    uint32_t format;
    uint32_t rowEntries;
    uint64_t rows;
    uint64_t ownerHash;
    uint64_t generationsSum;
    HashKey key;
    uint64_t reserved;
  };
  static_assert(sizeof(Entry) == 24 && sizeof(Header) == 64);

  struct Place {
    Row* row;
    uint64_t fingerprint;
    uint32_t fingerprintRest;
  };
  Place placeOf(const SeriesRef& series, uint64_t slice) const;
  static uint64_t partOf(uint32_t block, uint32_t generation);
  // Also over the key.
  uint64_t sumOfGenerations() const;
  static uint32_t checkOf(uint64_t fingerprint, uint32_t rest, uint64_t version);
  static void moveToFront(Row& row, size_t from, const Entry& entry);

  const MappedFile file_;
  HashKey key_;
  Header* header_ = nullptr;
  uint32_t* generations_ = nullptr;
  Row* rows_ = nullptr;
  uint64_t rowMask_ = 0;
  bool warm_ = false;
  uint64_t hits_ = 0;
  uint64_t misses_ = 0;
};

}  // namespace thermocline
