#include "entry.h"

#include <algorithm>
#include <vector>

#include "keys.h"

namespace thermocline {
namespace {

constexpr uint8_t kEntryVersion = 2;
constexpr uint8_t kHasKey = 1;
constexpr size_t kChecksumAt = 2;
constexpr size_t kCheckedFrom = kChecksumAt + 4;
constexpr size_t kMostEntryBytes = 4 * 1024 * 1024;
constexpr uint32_t kMostRequests = 4096;
constexpr uint32_t kMostOperations = 1024;
constexpr uint32_t kMostValueBytes = 1024 * 1024;
constexpr uint8_t kPut = 1;
constexpr uint8_t kDelete = 2;
constexpr uint8_t kApplied = 0;
constexpr uint8_t kPreconditionFailed = 2;
constexpr size_t kRequestHeadBytes = 16 + 6;
constexpr size_t kDetailFieldBytes = 8;

// One operation's record, to find two of one record. The hash makes most comparisons short; names decide.
struct Touched {
  uint64_t hash;
  uint64_t id;
  std::string_view series;
  bool operator<(const Touched& other) const {
    if (hash != other.hash) return hash < other.hash;
    return id != other.id ? id < other.id : series < other.series;
  }
  bool operator==(const Touched& other) const { return hash == other.hash && id == other.id && series == other.series; }
};

void checkDistinct(std::vector<Touched>& touched, const Reader& entry) {
  if (touched.size() < 2) return;
  std::sort(touched.begin(), touched.end());
  if (std::adjacent_find(touched.begin(), touched.end()) != touched.end()) entry.throwMalformed("has two operations on one record");
}

uint16_t checkHead(Reader& entry, std::string_view bytes, EntryHead& head) {
  if (bytes.size() > kMostEntryBytes) entry.throwMalformed("is longer than 4 MiB");
  if (const uint8_t version = entry.u8(); version != kEntryVersion) {
    throw EngineError(ErrorKind::range, "unsupported_version",
                      "an entry has version " + std::to_string(version) + "; this program knows version " + std::to_string(kEntryVersion));
  }
  const uint8_t flags = entry.u8();
  if (flags > kHasKey) entry.throwMalformed("has unknown flags");
  const uint32_t checksum = entry.u32();
  if (XXH32(bytes.data() + kCheckedFrom, bytes.size() - kCheckedFrom, 0) != checksum) entry.throwMalformed("fails its checksum");
  head.horizon = entry.u48();
  head.proposedAtMs = entry.u48();
  head.key = flags == kHasKey ? entry.take(kDigestKeyBytes) : nullptr;
  head.requests = entry.u16();
  if (head.requests > kMostRequests) entry.throwMalformed("has more than 4096 requests");
  return head.requests;
}

// Walks the requests. With `block` ≥ 0 also what they may say is checked.
void checkRequests(Reader& entry, uint32_t requests, int32_t block) {
  thread_local std::vector<Touched> touched;
  touched.clear();
  for (; requests > 0; requests--) {
    entry.take(kRequestHeadBytes);
    const uint8_t outcome = entry.u8();
    entry.take(kDetailFieldBytes);
    const uint16_t seriesBytes = entry.u16();
    if (seriesBytes == 0 || seriesBytes > kMaxSeriesBytes) entry.throwMalformed("has a series of a length out of range");
    const std::string_view series = entry.bytes(seriesBytes);
    const uint16_t operations = entry.u16();
    uint64_t hash = 0;
    if (block >= 0) {
      hash = XXH64(series.data(), series.size(), 0);
      if (static_cast<int32_t>(hash >> 48) != block) entry.throwMalformed("has a series of another block");
      if (outcome != kApplied && outcome != kPreconditionFailed) entry.throwMalformed("has a request of an unknown outcome");
      if (outcome == kApplied ? operations < 1 || operations > kMostOperations : operations != 0) {
        entry.throwMalformed("has a request whose count of operations does not go with its outcome");
      }
    }
    for (uint32_t left = operations; left > 0; left--) {
      const uint8_t kind = entry.u8();
      if (kind != kPut && kind != kDelete) entry.throwMalformed("has an operation of an unknown kind");
      const uint64_t id = entry.id();
      const uint8_t oldExists = entry.u8();
      const uint32_t oldSize = entry.u32();
      entry.take(8);
      const uint32_t valueBytes = entry.u32();
      if (valueBytes > kMostValueBytes) entry.throwMalformed("has a value of more than 1 MiB");
      entry.take(valueBytes);
      if (block < 0) continue;
      if (oldExists > 1 || oldSize > kMostValueBytes || (oldExists == 0 && oldSize > 0)) entry.throwMalformed("names an impossible old record");
      if (kind == kDelete && valueBytes > 0) entry.throwMalformed("has a removal with a value");
      touched.push_back({hash, id, series});
    }
  }
  entry.finish();
  checkDistinct(touched, entry);
}

}  // namespace

EntryHead readEntryHead(Reader& entry) {
  EntryHead head;
  entry.take(1);
  const uint8_t flags = entry.u8();
  entry.take(4);
  head.horizon = entry.u48();
  head.proposedAtMs = entry.u48();
  head.key = flags == kHasKey ? entry.take(kDigestKeyBytes) : nullptr;
  head.requests = entry.u16();
  return head;
}

size_t checkEntryForm(std::string_view bytes) {
  Reader entry(bytes, "an entry");
  EntryHead head;
  const uint16_t requests = checkHead(entry, bytes, head);
  checkRequests(entry, requests, -1);
  return requests;
}

void checkEntry(uint16_t block, uint64_t index, std::string_view bytes) {
  Reader entry(bytes, "the entry");
  EntryHead head;
  const uint16_t requests = checkHead(entry, bytes, head);
  if (head.horizon > index) entry.throwMalformed("has a horizon above its index");
  if ((head.key != nullptr) != (index == 1)) {
    entry.throwMalformed(index == 1 ? "is the block's first and carries no digest key" : "carries a digest key and is not the block's first");
  }
  checkRequests(entry, requests, block);
}

}  // namespace thermocline
