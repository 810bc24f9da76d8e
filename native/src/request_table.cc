#include "request_table.h"

namespace thermocline {

uint64_t RequestTable::hashOf(uint16_t block, const uint8_t* requestId) const {
  const uint64_t words[3] = {loadU64(requestId), loadU64(requestId + 8), block};
  return keyedHash64(key_, words, sizeof words);
}

void RequestTable::answerOf(const Entry& entry, Answer& answer) {
  answer = {entry.requestId, entry.index, static_cast<uint8_t>(entry.code), entry.detail};
}

bool RequestTable::find(uint16_t block, const uint8_t* requestId, Answer& answer) const {
  const uint64_t hash = hashOf(block, requestId);
  const Shard& shard = shards_[hash >> 58];
  if (shard.slots.empty()) return false;
  const size_t mask = shard.slots.size() - 1;
  for (size_t slot = hash & mask;; slot = (slot + 1) & mask) {
    const Slot found = shard.slots[slot];
    if (found.entry == kNone) return false;
    if (found.low != static_cast<uint32_t>(hash)) continue;
    const Entry& entry = at(found.entry);
    if (entry.block == block && memcmp(entry.requestId, requestId, kRequestIdBytes) == 0) {
      answerOf(entry, answer);
      return true;
    }
  }
}

uint32_t RequestTable::allocate() {
  if (free_ != kNone) {
    const uint32_t entry = free_;
    free_ = at(entry).next;
    return entry;
  }
  // Not value-initialised: a fresh slab costs no page until it is used.
  if (used_ == slabs_.size() * kSlabEntries) slabs_.emplace_back(new Entry[kSlabEntries]);
  return used_++;
}

void RequestTable::add(uint16_t block, List& list, const Answer& answer) {
  const uint64_t hash = hashOf(block, answer.requestId);
  Shard& shard = shards_[hash >> 58];
  if ((shard.count + 1) * 4 > shard.slots.size() * 3) grow(shard);
  const uint32_t added = allocate();
  Entry& entry = at(added);
  memcpy(entry.requestId, answer.requestId, kRequestIdBytes);
  memcpy(entry.detail, answer.detail, kDetailBytes);
  entry.index = answer.index;
  entry.code = answer.code;
  entry.appliedAtMs = nowMs_;
  entry.block = block;
  entry.next = kNone;
  const size_t mask = shard.slots.size() - 1;
  size_t slot = hash & mask;
  while (shard.slots[slot].entry != kNone) slot = (slot + 1) & mask;
  shard.slots[slot] = {added, static_cast<uint32_t>(hash)};
  shard.count++;
  count_++;
  if (list.tail == kNone) {
    list.head = added;
  } else {
    at(list.tail).next = added;
  }
  list.tail = added;
  list.count++;
}

void RequestTable::grow(Shard& shard) {
  std::vector<Slot> larger(shard.slots.empty() ? 16 : shard.slots.size() * 2);
  const size_t mask = larger.size() - 1;
  for (const Slot& moved : shard.slots) {
    if (moved.entry == kNone) continue;
    size_t slot = moved.low & mask;
    while (larger[slot].entry != kNone) slot = (slot + 1) & mask;
    larger[slot] = moved;
  }
  shard.slots = std::move(larger);
}

// Takes an entry out of the index and closes the gap, so that no probe ends early.
void RequestTable::unlink(uint32_t removed) {
  const Entry& entry = at(removed);
  const uint64_t hash = hashOf(static_cast<uint16_t>(entry.block), entry.requestId);
  Shard& shard = shards_[hash >> 58];
  const size_t mask = shard.slots.size() - 1;
  size_t gap = hash & mask;
  while (shard.slots[gap].entry != removed) gap = (gap + 1) & mask;
  for (size_t slot = (gap + 1) & mask; shard.slots[slot].entry != kNone; slot = (slot + 1) & mask) {
    const size_t home = shard.slots[slot].low & mask;
    if (((slot - home) & mask) >= ((slot - gap) & mask)) {
      shard.slots[gap] = shard.slots[slot];
      gap = slot;
    }
  }
  shard.slots[gap] = {};
  shard.count--;
}

uint64_t RequestTable::dropBelow(List& list, uint64_t horizon, const HashKey& digestKey) {
  uint64_t elements = 0;
  while (list.head != kNone && at(list.head).index < horizon) {
    const uint32_t dropped = list.head;
    Entry& entry = at(dropped);
    elements += answerElement(digestKey, entry.requestId, entry.index, static_cast<uint8_t>(entry.code), entry.detail);
    unlink(dropped);
    list.head = entry.next;
    entry.next = free_;
    free_ = dropped;
    list.count--;
    count_--;
  }
  if (list.head == kNone) list.tail = kNone;
  return elements;
}

uint64_t RequestTable::proposeHorizon(const List& list, uint64_t horizon, uint32_t maxAnswers, uint64_t beforeMs) const {
  uint32_t left = list.count;
  for (uint32_t entry = list.head; entry != kNone; entry = at(entry).next) {
    const Entry& oldest = at(entry);
    if (left <= maxAnswers && oldest.appliedAtMs >= beforeMs) break;
    if (oldest.index >= horizon) horizon = oldest.index + 1;
    left--;
  }
  return horizon;
}

bool RequestTable::hasOlder(const List& list, uint64_t beforeMs) const { return list.head != kNone && at(list.head).appliedAtMs < beforeMs; }

uint64_t RequestTable::oldestIndex(const List& list) const { return list.head == kNone ? 0 : at(list.head).index; }

size_t RequestTable::bytes() const {
  size_t bytes = slabs_.size() * kSlabEntries * sizeof(Entry);
  for (const Shard& shard : shards_) bytes += shard.slots.capacity() * sizeof(Slot);
  return bytes;
}

}  // namespace thermocline
