#include "version_cache.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace thermocline {
namespace {

constexpr uint64_t kMagic = 0x48434143524556;  // "VERCACH"
constexpr uint32_t kFormat = 2;
constexpr size_t kBlocks = 65536;

[[noreturn]] void throwErrno(const std::string& doing, const std::string& path) {
  throw EngineError(ErrorKind::error, "internal", doing + " the version cache " + path + ": " + strerror(errno));
}

// Names this run of the machine. A file on a disk may come back from a power cut older than the engine.
std::string machineBoot() {
  std::string boot(64, '\0');
  const int file = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
  const ssize_t length = file < 0 ? 0 : read(file, boot.data(), boot.size());
  if (file >= 0) close(file);
  boot.resize(length < 0 ? 0 : static_cast<size_t>(length));
  return boot;
}

// Closes the descriptor when it goes; the mapping outlives it.
struct File {
  int fd;
  ~File() { close(fd); }
};

}  // namespace

VersionCache::VersionCache(const std::string& path, uint64_t bytes, const std::string& incarnation) {
  uint64_t rows = 1;
  while (rows * 2 * sizeof(Row) <= bytes) rows *= 2;
  const size_t fixedBytes = sizeof(Header) + kBlocks * sizeof(uint32_t);
  mappedBytes_ = fixedBytes + rows * sizeof(Row);
  const std::string owner = incarnation + "/" + machineBoot();
  const uint64_t ownerHash = XXH3_64bits(owner.data(), owner.size());

  void* mapped = MAP_FAILED;
  if (path.empty()) {
    mapped = mmap(nullptr, mappedBytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) throwErrno("could not allocate", "(in memory)");
  } else {
    const File file{open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)};
    if (file.fd < 0) throwErrno("could not open", path);
    struct stat stat;
    if (fstat(file.fd, &stat) != 0) throwErrno("could not read the size of", path);
    if (static_cast<size_t>(stat.st_size) != mappedBytes_) {
      // Emptied first: growing an old file in place would keep its rows under other dimensions.
      if (ftruncate(file.fd, 0) != 0) throwErrno("could not empty", path);
    }
    // Allocated for real: a store into a hole of a full tmpfs would kill the process.
    if (const int failed = posix_fallocate(file.fd, 0, static_cast<off_t>(mappedBytes_)); failed != 0) {
      throw EngineError(ErrorKind::error, failed == ENOSPC ? "disk_full" : "internal",
                        "could not allocate " + std::to_string(mappedBytes_) + " bytes for the version cache " + path + ": " + strerror(failed) +
                            "; give its file system more space, or choose another --version-cache-dir");
    }
    mapped = mmap(nullptr, mappedBytes_, PROT_READ | PROT_WRITE, MAP_SHARED, file.fd, 0);
    if (mapped == MAP_FAILED) throwErrno("could not map", path);
  }
  mapped_ = static_cast<uint8_t*>(mapped);
  generations_ = reinterpret_cast<uint32_t*>(mapped_ + sizeof(Header));
  rows_ = reinterpret_cast<Row*>(mapped_ + fixedBytes);
  rowMask_ = rows - 1;

  const Header wanted = {kMagic, kFormat, kRowEntries, rows, ownerHash, 0, {}};
  header_ = reinterpret_cast<Header*>(mapped_);
  Header found = *header_;
  found.generationsSum = 0;
  warm_ = !path.empty() && memcmp(&found, &wanted, sizeof wanted) == 0 && header_->generationsSum == sumOfGenerations();
  if (warm_ || path.empty()) return;
  // The header comes last: a process that dies in between leaves a file that is emptied again.
  memset(mapped_, 0, mappedBytes_);
  __atomic_signal_fence(__ATOMIC_SEQ_CST);
  memcpy(mapped_, &wanted, sizeof wanted);
}

VersionCache::~VersionCache() {
  if (mapped_ != nullptr) munmap(mapped_, mappedBytes_);
}

VersionCache::Place VersionCache::placeOf(const SeriesRef& series, uint64_t slice) const {
  const uint64_t blockAndGeneration = (static_cast<uint64_t>(series.block) << 32) | generations_[series.block];
  const uint64_t words[4] = {series.hash.low64, series.hash.high64, slice, blockAndGeneration};
  const XXH128_hash_t hash = XXH3_128bits(words, sizeof words);
  return {&rows_[(hash.high64 >> 32) & rowMask_], hash.low64, static_cast<uint32_t>(hash.high64)};
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
  uint64_t sum = 0;
  for (uint32_t block = 0; block < kBlocks; block++) sum += partOf(block, generations_[block]);
  return sum;
}

// A process that dies between the two stores leaves a sum that is wrong: the next one starts empty.
void VersionCache::raiseGeneration(uint16_t block) {
  const uint32_t generation = ++generations_[block];
  header_->generationsSum += partOf(block, generation) - partOf(block, generation - 1);
}

}  // namespace thermocline
