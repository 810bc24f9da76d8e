#include "version_cache.h"

namespace thermocline {
namespace {

constexpr uint64_t kMagic = 0x48434143524556;  // "VERCACH"
constexpr uint32_t kFormat = 3;
constexpr size_t kBlocks = 65536;

constexpr size_t kHeaderBytes = 64;
constexpr size_t kFixedBytes = kHeaderBytes + kBlocks * sizeof(uint32_t);

uint64_t rowsWithin(uint64_t bytes, size_t rowBytes) {
  uint64_t rows = 1;
  while (rows * 2 * rowBytes <= bytes) rows *= 2;
  return rows;
}

}  // namespace

VersionCache::VersionCache(const std::string& path, uint64_t bytes, const std::string& incarnation, const HashKey& fresh)
    : file_(path, kFixedBytes + rowsWithin(bytes, sizeof(Row)) * sizeof(Row), "version cache", "--version-cache-dir") {
  static_assert(sizeof(Header) == kHeaderBytes);
  const uint64_t rows = rowsWithin(bytes, sizeof(Row));
  const std::string owner = incarnation + "/" + machineBoot();
  const uint64_t ownerHash = XXH3_64bits(owner.data(), owner.size());
  generations_ = reinterpret_cast<uint32_t*>(file_.data() + sizeof(Header));
  rows_ = reinterpret_cast<Row*>(file_.data() + kFixedBytes);
  rowMask_ = rows - 1;

  header_ = reinterpret_cast<Header*>(file_.data());
  key_ = header_->key;
  Header wanted = {kMagic, kFormat, kRowEntries, rows, ownerHash, sumOfGenerations(), key_, 0};
  warm_ = !path.empty() && memcmp(header_, &wanted, sizeof wanted) == 0;
  if (warm_) return;
  key_ = fresh;
  if (path.empty()) return;
  // The header comes last: a process that dies in between leaves a file that is emptied again.
  memset(file_.data(), 0, file_.size());
  __atomic_signal_fence(__ATOMIC_SEQ_CST);
  wanted.key = key_;
  wanted.generationsSum = sumOfGenerations();
  memcpy(file_.data(), &wanted, sizeof wanted);
}

VersionCache::Place VersionCache::placeOf(const SeriesRef& series, uint64_t slice) const {
  const Hash128 hash = pageHash(series.hash, slice, series.block, generations_[series.block]);
  return {&rows_[(hash.high >> 32) & rowMask_], hash.low, static_cast<uint32_t>(hash.high)};
}

uint32_t VersionCache::checkOf(uint64_t fingerprint, uint32_t rest, uint64_t version) {
  // Never 0 for an empty entry's zeros.
  uint64_t mixed = (fingerprint ^ (version * 0x9e3779b97f4a7c15) ^ (uint64_t{rest} << 17)) * 0xc2b2ae3d27d4eb4f;
  mixed ^= mixed >> 29;
  return static_cast<uint32_t>((mixed * 0x165667b19e3779f9) >> 32) ^ 0xa5a5a5a5;
}

void VersionCache::moveToFront(Row& row, size_t from, const Entry& entry) {
  memmove(&row.entries[1], &row.entries[0], from * sizeof(Entry));
  row.entries[0] = entry;
}

bool VersionCache::find(const SeriesRef& series, uint64_t slice, uint64_t& version) {
  const Place place = placeOf(series, slice);
  for (size_t i = 0; i < kRowEntries; i++) {
    const Entry entry = place.row->entries[i];
    if (entry.fingerprint != place.fingerprint || entry.fingerprintRest != place.fingerprintRest) continue;
    if (entry.check != checkOf(entry.fingerprint, entry.fingerprintRest, entry.version)) break;
    if (i > 0) moveToFront(*place.row, i, entry);
    version = entry.version;
    hits_++;
    return true;
  }
  misses_++;
  return false;
}

void VersionCache::put(const SeriesRef& series, uint64_t slice, uint64_t version) {
  const Place place = placeOf(series, slice);
  size_t from = kRowEntries - 1;
  for (size_t i = 0; i < kRowEntries; i++) {
    if (place.row->entries[i].fingerprint == place.fingerprint && place.row->entries[i].fingerprintRest == place.fingerprintRest) {
      from = i;
      break;
    }
  }
  moveToFront(*place.row, from, {place.fingerprint, place.fingerprintRest, checkOf(place.fingerprint, place.fingerprintRest, version), version});
}

uint64_t VersionCache::partOf(uint32_t block, uint32_t generation) {
  const uint64_t words[2] = {block, generation};
  return generation == 0 ? 0 : XXH3_64bits(words, sizeof words);
}

uint64_t VersionCache::sumOfGenerations() const {
  uint64_t sum = XXH3_64bits(&key_, sizeof key_);
  for (uint32_t block = 0; block < kBlocks; block++) sum += partOf(block, generations_[block]);
  return sum;
}

// A process that dies between the two stores leaves a sum that is wrong: the next one starts empty.
void VersionCache::raiseGeneration(uint16_t block) {
  const uint32_t generation = ++generations_[block];
  header_->generationsSum += partOf(block, generation) - partOf(block, generation - 1);
}

}  // namespace thermocline
