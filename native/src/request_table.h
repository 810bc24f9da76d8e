// The request table: answers of requests applied since each block's horizon, by (block, request id), so that a retry gets
// its first answer (⚖9). Per block they form a list in apply order, which is the order a horizon drops them in.
//
// An answer takes 48 bytes in a slab that is never moved, and 8 bytes per slot of an open-addressed index at most three
// quarters full: half of them are bits of the hash, so that a search that finds nothing, as most do, touches no answer but
// by chance. The index is cut into shards by hash, so that growing one stalls the engine for a 64th of the table.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "rows.h"

namespace thermocline {

class RequestTable {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  // A block's list. Kept by the block's state.
  struct List {
    uint32_t head = kNone;
    uint32_t tail = kNone;
    uint32_t count = 0;
  };

  // Ids are compared in full; the key keeps clients from choosing ids that all begin their search at one slot.
  explicit RequestTable(const HashKey& key) : key_(key) {}
  RequestTable(const RequestTable&) = delete;
  RequestTable& operator=(const RequestTable&) = delete;

  // False if unknown. The answer views the table: it is valid until the next change.
  bool find(uint16_t block, const uint8_t* requestId, Answer& answer) const;
  // The id must not be there yet.
  void add(uint16_t block, List& list, const Answer& answer);
  // Drops the answers with an index below the horizon; returns the sum of their digest elements.
  uint64_t dropBelow(List& list, uint64_t horizon, const HashKey& digestKey);
  // See port.ts, `proposeHorizon`.
  uint64_t proposeHorizon(const List& list, uint64_t horizon, uint32_t maxAnswers, uint64_t beforeMs) const;
  uint64_t oldestIndex(const List& list) const;
  // True if the oldest answer was applied here before that time: a list is in the order of apply.
  bool hasOlder(const List& list, uint64_t beforeMs) const;
  // Of this process; answers are stamped with it. (Not with what entries say: one proposer whose clock was wrong could pin them for ever, or
  // have the newest forgotten.)
  void setNow(uint64_t nowMs) { nowMs_ = nowMs; }

  size_t count() const { return count_; }
  size_t bytes() const;

 private:
  struct Entry {
    uint8_t requestId[kRequestIdBytes];
    uint8_t detail[kDetailBytes];
    uint64_t index : 48;
    uint64_t code : 8;
    uint64_t appliedAtMs : 48;
    uint64_t block : 16;
    uint32_t next;
  };
  static_assert(sizeof(Entry) <= 48);

  struct Slot {
    uint32_t entry = kNone;
    // The low bits of the hash: where the search for the entry begins, and more.
    uint32_t low = 0;
  };

  struct Shard {
    std::vector<Slot> slots;
    uint32_t count = 0;
  };

  static constexpr uint32_t kSlabEntries = 4096;
  static constexpr int kShards = 64;

  uint64_t hashOf(uint16_t block, const uint8_t* requestId) const;
  Entry& at(uint32_t entry) const { return slabs_[entry / kSlabEntries][entry % kSlabEntries]; }
  uint32_t allocate();
  void grow(Shard& shard);
  void unlink(uint32_t entry);
  static void answerOf(const Entry& entry, Answer& answer);

  const HashKey key_;
  std::array<Shard, kShards> shards_;
  std::vector<std::unique_ptr<Entry[]>> slabs_;
  uint32_t used_ = 0;
  uint32_t free_ = kNone;
  uint64_t nowMs_ = 0;
  size_t count_ = 0;
};

}  // namespace thermocline
