#include "page_cache.h"

#include <algorithm>
#include <vector>

namespace thermocline {
namespace {

constexpr uint64_t kMagic = 0x4543414345474150;  // "PAGECACE"
constexpr uint32_t kFormat = 3;
constexpr uint32_t kEntryMagic = 0x45474150;
constexpr uint32_t kPaddingMagic = 0x20444150;
// Positions and sizes are multiples of it.
constexpr uint64_t kUnit = 8;
// Bytes of a ring's data for each slot of the index: a page of one short record takes more.
constexpr uint64_t kBytesPerSlot = 160;
// Finds that make an entry hot: whoever fetched it finds it once.
constexpr uint32_t kHot = 2;
// Of one call of copyHot.
constexpr size_t kCopyBytes = 1024 * 1024;
constexpr size_t kCopyEntries = 8192;
constexpr int kPositionBits = 44;
constexpr uint64_t kPositionMask = (uint64_t{1} << kPositionBits) - 1;

uint64_t tagOf(const PageKey& key) { return (key.hash.high << 6) >> kPositionBits; }
uint64_t slotOf(const PageKey& key, uint64_t position) { return (tagOf(key) << kPositionBits) | position; }

uint64_t checkedBytes(uint64_t bytes) {
  if (bytes >= PageCache::kLeastBytes) return bytes;
  throw EngineError(ErrorKind::range, "ERR_OUT_OF_RANGE", "a page cache of " + std::to_string(bytes) + " bytes is smaller than 1 MiB");
}

}  // namespace

PageCache::PageCache(const std::string& path, uint64_t bytes, const std::string& owner, uint32_t boot, uint64_t sliceDurationMs,
                     const HashKey& fresh)
    : file_(path, checkedBytes(bytes), "page cache", "--cache-dir", true), boot_(boot), sliceDurationMs_(sliceDurationMs) {
  constexpr size_t headBytes = (sizeof(Header) + 4095) / 4096 * 4096;
  const uint64_t perRing = (bytes - headBytes) / kRings;
  rowsPerRing_ = perRing / (kBytesPerSlot * kRowSlots + sizeof(Row));
  capacity_ = (perRing - rowsPerRing_ * sizeof(Row)) / kUnit;
  const std::string bound = owner + "/" + machineBoot();
  Header* header = reinterpret_cast<Header*>(file_.data());
  const uint64_t ownerHash = XXH3_64bits(bound.data(), bound.size());
  warm_ = !path.empty() && header->magic == kMagic && header->format == kFormat && header->rings == kRings && header->bytes == bytes &&
          header->ownerHash == ownerHash && hasSoundStates();
  if (!warm_) {
    // Without its magic the file is nobody's until it is all set up.
    header->magic = 0;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    memset(file_.data() + sizeof(uint64_t), 0, headBytes + kRings * rowsPerRing_ * sizeof(Row) - sizeof(uint64_t));
    header->format = kFormat;
    header->rings = kRings;
    header->bytes = bytes;
    header->ownerHash = ownerHash;
    header->key = fresh;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    header->magic = kMagic;
  }
  key_ = header->key;
  uint8_t* at = file_.data() + headBytes;
  Row* rows = reinterpret_cast<Row*>(at);
  uint8_t* data = at + kRings * rowsPerRing_ * sizeof(Row);
  for (size_t i = 0; i < kRings; i++) {
    rings_[i].state = &header->states[i];
    rings_[i].rows = rows + i * rowsPerRing_;
    rings_[i].data = data + i * capacity_ * kUnit;
  }
}

// Of a file that somebody else has written: positions that a slot can name, and no more than a ring holds.
bool PageCache::hasSoundStates() const {
  const Header* header = reinterpret_cast<const Header*>(file_.data());
  return std::all_of(std::begin(header->states), std::end(header->states), [&](const RingState& state) {
    return state.head <= kPositionMask / 2 && state.tail <= state.head && state.head - state.tail <= capacity_;
  });
}

PageCache::Row& PageCache::rowOf(const Ring& ring, const PageKey& key) const {
  return ring.rows[static_cast<size_t>((static_cast<unsigned __int128>(key.hash.low) * rowsPerRing_) >> 64)];
}

PageCache::Entry* PageCache::entryAt(const Ring& ring, uint64_t position) const {
  return reinterpret_cast<Entry*>(ring.data + (position % capacity_) * kUnit);
}

// Neither written over nor ahead of what was written.
bool PageCache::isHeld(const Ring& ring, uint64_t position) const {
  const uint64_t head = ring.state->head;
  return position < head && head - position <= capacity_;
}

uint64_t PageCache::checkOf(const Entry& entry) {
  const uint64_t words[6] = {entry.slice,
                             entry.version,
                             (static_cast<uint64_t>(entry.count) << 32) | entry.contentBytes,
                             (static_cast<uint64_t>(entry.block) << 48) | (static_cast<uint64_t>(entry.kind) << 32) | entry.size,
                             entry.nameBytes,
                             entry.writtenSeconds};
  return XXH3_64bits_withSeed(&entry + 1, entry.bytes() - sizeof(Entry), XXH3_64bits(words, sizeof words));
}

// Of an entry that is all there: is it as it was written, and a page?
bool PageCache::isSound(const Entry& entry) const {
  if (entry.kind > static_cast<uint16_t>(HeldKind::large) || checkOf(entry) != entry.check) return false;
  const Held page{entry.version, static_cast<HeldKind>(entry.kind), entry.block, entry.count, 0, entry.content()};
  return isWellFormed(page, entry.name(), entry.slice, sliceDurationMs_);
}

// `leftBytes`: to the ring's end.
bool PageCache::isWhole(Entry& entry, uint64_t leftBytes) const {
  if (entry.boot == boot_) return true;
  const size_t bytes = entry.bytes();
  if (entry.contentBytes > kMostContentBytes || bytes > leftBytes || entry.size < bytes || entry.size >= bytes + kUnit || !isSound(entry)) return false;
  entry.boot = boot_;
  return true;
}

// It must end before the ring does, whatever it says of itself.
bool PageCache::isEntryOf(const Entry& entry, const PageKey& key, uint64_t leftBytes) const {
  if (leftBytes < sizeof(Entry) || entry.magic != kEntryMagic || entry.slice != key.slice || entry.nameBytes != key.series.size()) return false;
  return leftBytes - sizeof(Entry) >= entry.nameBytes && entry.name() == key.series;
}

bool PageCache::find(const PageKey& key, uint32_t nowSeconds, Held& held) {
  Ring& ring = ringOf(key);
  Row& row = rowOf(ring, key);
  const uint64_t tag = tagOf(key);
  for (size_t i = 0; i < kRowSlots; i++) {
    const uint64_t slot = row.slots[i];
    const uint64_t position = slot & kPositionMask;
    if (slot == 0 || slot >> kPositionBits != tag || !isHeld(ring, position)) continue;
    Entry* entry = entryAt(ring, position);
    const uint64_t leftBytes = (capacity_ - position % capacity_) * kUnit;
    if (!isEntryOf(*entry, key, leftBytes)) continue;
    if (!isWhole(*entry, leftBytes)) {
      row.slots[i] = 0;
      ring.torn++;
      break;
    }
    ring.hits++;
    if (entry->found < kHot) entry->found++;
    memmove(&row.slots[1], &row.slots[0], i * sizeof(uint64_t));
    row.slots[0] = slot;
    const uint64_t age = ring.state->head - position;
    // Not so close to being written over that the copy could meet it.
    if (age > capacity_ / 2 && age + 2 * (entry->size / kUnit) < capacity_) {
      Entry head = *entry;
      head.writtenSeconds = nowSeconds;
      const uint64_t copied = append(ring, head, entry->name(), entry->content());
      row.slots[0] = slotOf(key, copied);
      entry = entryAt(ring, copied);
    }
    held.version = entry->version;
    held.kind = static_cast<HeldKind>(entry->kind);
    held.block = entry->block;
    held.count = entry->count;
    held.writtenSeconds = entry->writtenSeconds;
    held.content = entry->content();
    return true;
  }
  ring.misses++;
  return false;
}

void PageCache::expectEntry(const PageKey& key) const {
  const Ring& ring = rings_[key.hash.high >> 58];
  for (const uint64_t slot : rowOf(ring, key).slots) {
    if (slot == 0 || slot >> kPositionBits != tagOf(key)) continue;
    const uint8_t* entry = ring.data + ((slot & kPositionMask) % capacity_) * kUnit;
    // Its head, and where what it holds begins.
    __builtin_prefetch(entry);
    __builtin_prefetch(entry + sizeof(Entry));
    return;
  }
}

bool PageCache::put(const PageKey& key, uint32_t nowSeconds, const Held& page) {
  const size_t bytes = sizeof(Entry) + key.series.size() + page.content.size();
  if (page.content.size() > kMostContentBytes || bytes > capacity_ * kUnit / 4) return false;
  Ring& ring = ringOf(key);
  Entry head{};
  head.magic = kEntryMagic;
  head.size = static_cast<uint32_t>((bytes + kUnit - 1) / kUnit * kUnit);
  head.slice = key.slice;
  head.nameBytes = static_cast<uint16_t>(key.series.size());
  head.version = page.version;
  head.count = page.count;
  head.contentBytes = static_cast<uint32_t>(page.content.size());
  head.kind = static_cast<uint16_t>(page.kind);
  head.block = page.block;
  head.writtenSeconds = nowSeconds;
  note(ring, key, append(ring, head, key.series, page.content));
  return true;
}

// In the first slot of its row; the one of the same page, a free one or the last one makes room.
void PageCache::note(Ring& ring, const PageKey& key, uint64_t position) {
  Row& row = rowOf(ring, key);
  const uint64_t tag = tagOf(key);
  size_t from = kRowSlots - 1;
  for (size_t i = 0; i < kRowSlots; i++) {
    const uint64_t slot = row.slots[i];
    if (slot == 0 || slot >> kPositionBits == tag || !isHeld(ring, slot & kPositionMask)) {
      from = i;
      break;
    }
  }
  if (from == kRowSlots - 1 && row.slots[from] != 0 && row.slots[from] >> kPositionBits != tag && isHeld(ring, row.slots[from] & kPositionMask)) {
    ring.evictions++;
  }
  memmove(&row.slots[1], &row.slots[0], from * sizeof(uint64_t));
  row.slots[0] = slotOf(key, position);
}

// Name and content may be in the same ring. Returns the entry's position.
uint64_t PageCache::append(Ring& ring, const Entry& head, std::string_view name, std::string_view content) {
  const uint64_t units = head.size / kUnit;
  uint64_t at = ring.state->head;
  // Position 0 would be an empty slot.
  if (at == 0) at = 1;
  const uint64_t left = capacity_ - at % capacity_;
  if (left < units) {
    makeRoom(ring, at + left);
    if (left * kUnit >= sizeof(uint64_t)) {
      const uint32_t padding[2] = {kPaddingMagic, static_cast<uint32_t>(left * kUnit)};
      memcpy(ring.data + (at % capacity_) * kUnit, padding, sizeof padding);
    }
    at += left;
  }
  makeRoom(ring, at + units);
  // From here on what was there is not held any more, whenever the process dies.
  ring.state->head = at + units;
  __atomic_signal_fence(__ATOMIC_SEQ_CST);
  Entry* entry = entryAt(ring, at);
  uint8_t* to = reinterpret_cast<uint8_t*>(entry + 1);
  memmove(to, name.data(), name.size());
  if (!content.empty()) memmove(to + name.size(), content.data(), content.size());
  *entry = head;
  entry->boot = boot_;
  entry->check = checkOf(*entry);
  __atomic_signal_fence(__ATOMIC_SEQ_CST);
  return at;
}

// Moves the tail past what an entry that ends at `end` writes over.
void PageCache::makeRoom(Ring& ring, uint64_t end) {
  RingState& state = *ring.state;
  while (end > capacity_ && state.tail < end - capacity_) {
    uint32_t what[2] = {0, 0};
    memcpy(what, ring.data + (state.tail % capacity_) * kUnit, sizeof what);
    const bool known = (what[0] == kEntryMagic || what[0] == kPaddingMagic) && what[1] >= kUnit && what[1] % kUnit == 0;
    if (!known) {
      // Of a process that died: where the next entry begins is not known before the ring has gone around.
      state.tail = state.head;
      return;
    }
    if (what[0] == kEntryMagic) ring.evictions++;
    state.tail += what[1] / kUnit;
  }
  if (state.tail > state.head) state.tail = state.head;
}

// ---- For peers that warm up

// Is this entry the one that a look-up would find?
bool PageCache::isNoted(const Ring& ring, const PageKey& key, uint64_t position) const {
  const Row& row = rowOf(ring, key);
  return std::any_of(std::begin(row.slots), std::end(row.slots), [&](uint64_t slot) { return slot == slotOf(key, position); });
}

// Without any of what `find` notes.
bool PageCache::holds(const PageKey& key) const {
  const Ring& ring = rings_[key.hash.high >> 58];
  const Row& row = rowOf(ring, key);
  return std::any_of(std::begin(row.slots), std::end(row.slots), [&](uint64_t slot) {
    const uint64_t position = slot & kPositionMask;
    if (slot == 0 || slot >> kPositionBits != tagOf(key) || !isHeld(ring, position)) return false;
    return isEntryOf(*entryAt(ring, position), key, (capacity_ - position % capacity_) * kUnit);
  });
}

// Where the first entry at or after the position begins: the index knows where entries begin.
uint64_t PageCache::firstFrom(const Ring& ring, uint64_t position) const {
  uint64_t first = ring.state->head;
  for (uint64_t row = 0; row < rowsPerRing_; row++) {
    for (const uint64_t slot : ring.rows[row].slots) {
      const uint64_t at = slot & kPositionMask;
      if (slot != 0 && at >= position && at < first && isHeld(ring, at)) first = at;
    }
  }
  return first;
}

uint64_t PageCache::copyHot(size_t number, uint64_t position, const uint16_t* owners, uint16_t owner, std::string& out) {
  Ring& ring = rings_[number];
  const uint64_t head = ring.state->head;
  const uint64_t middle = head > capacity_ / 2 ? head - capacity_ / 2 : 0;
  // A position of the caller's is one that was returned, if the cache has gone on since it may be written over.
  if (position == 0 || position < middle || position > head) position = firstFrom(ring, middle);
  const size_t end = out.size() + kCopyBytes;
  for (size_t steps = 0; position < head; steps++) {
    if (steps == kCopyEntries || out.size() >= end) return position;
    const uint64_t left = (capacity_ - position % capacity_) * kUnit;
    uint32_t what[2] = {0, 0};
    if (left >= sizeof what) memcpy(what, ring.data + (position % capacity_) * kUnit, sizeof what);
    const bool isEntry = what[0] == kEntryMagic && what[1] >= sizeof(Entry);
    // Of a process that died: nothing tells where the next one begins.
    if ((!isEntry && what[0] != kPaddingMagic) || what[1] > left || what[1] < kUnit || what[1] % kUnit != 0) return 0;
    Entry* entry = entryAt(ring, position);
    if (isEntry && entry->found >= kHot && owners[entry->block] == owner && isWhole(*entry, left)) {
      const PageKey key = pageKeyOf(SeriesRef(entry->name(), entry->block, key_), entry->slice);
      if (isNoted(ring, key, position)) out.append(reinterpret_cast<const char*>(entry), entry->bytes());
    }
    position += what[1] / kUnit;
  }
  return 0;
}

uint32_t PageCache::putHot(std::string_view entries, uint32_t nowSeconds) {
  Reader reader(entries, "pages of a peer");
  std::vector<uint64_t> aligned;
  uint32_t count = 0;
  while (reader.left() > 0) {
    const uint8_t* from = reader.take(sizeof(Entry));
    Entry head;
    memcpy(&head, from, sizeof head);
    if (head.magic != kEntryMagic || head.nameBytes > kMaxSeriesBytes || head.contentBytes > kMostContentBytes) {
      reader.throwMalformed("has something else than a page");
    }
    reader.take(head.nameBytes + size_t{head.contentBytes});
    // The checksum is over the bytes as they stand in a cache.
    aligned.resize((head.bytes() + sizeof(uint64_t) - 1) / sizeof(uint64_t));
    memcpy(aligned.data(), from, head.bytes());
    const Entry& entry = *reinterpret_cast<const Entry*>(aligned.data());
    if (!isSound(entry)) reader.throwMalformed("has a page that is damaged");
    const PageKey key = pageKeyOf(SeriesRef(entry.name(), entry.block, key_), entry.slice);
    if (holds(key)) continue;
    if (put(key, nowSeconds, {head.version, static_cast<HeldKind>(head.kind), head.block, head.count, 0, entry.content()})) count++;
  }
  return count;
}

PageCache::RingFigures PageCache::figures(size_t number) const {
  const Ring& ring = rings_[number];
  RingFigures figures;
  figures.hits = ring.hits;
  figures.misses = ring.misses;
  figures.evictions = ring.evictions;
  figures.torn = ring.torn;
  figures.bytes = (ring.state->head - ring.state->tail) * kUnit;
  if (ring.state->tail < ring.state->head) {
    const Entry* oldest = entryAt(ring, ring.state->tail);
    const bool fits = (capacity_ - ring.state->tail % capacity_) * kUnit >= sizeof(Entry);
    if (fits && oldest->magic == kEntryMagic) figures.oldestSeconds = oldest->writtenSeconds;
  }
  return figures;
}

}  // namespace thermocline
