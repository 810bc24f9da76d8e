// The bound on what one read steps over without returning it: removals, rows of the store that are hidden or removed, pages without
// records, and pages that are opened or looked up. A read whose steps are spent stops where it is; what happens then is the caller's
// affair: on the engine's thread the read is handed to another one (workers.h), and there it is answered as far as it came.
#pragma once

#include <algorithm>
#include <cstdint>

namespace thermocline {

// Of one read on the engine's thread. A step costs 0.1 to 1 µs. More than one key has versions in the store's tables: an iterator that
// may skip so many always comes to another key.
constexpr uint64_t kReadSteps = 256;
// Reads of a turn on the engine's thread share the steps of so many, so that many of them do not cost what one may not. A validation
// of many series may take all of them.
constexpr uint64_t kTurnReads = 8;
// What a read may take of these however many have been taken: a row or two lie in the way of most reads.
constexpr uint64_t kLeastSteps = 16;
// Of a read on another thread: some milliseconds, so that those behind it do not wait for long.
constexpr uint64_t kTaskSteps = 8192;
// Pages and removals that the engine's thread copies for one read on another thread. A copy costs about 0.1 µs.
constexpr uint64_t kMostCopiedExtras = 2048;
// What the store skips beside each row that it finds: older versions, and in reverse the row itself.
constexpr uint64_t kFreeSkips = 8;

class Steps {
 public:
  explicit Steps(uint64_t most) : left_(most) {}
  void take(uint64_t count) { left_ -= std::min(left_, count); }
  void give(uint64_t count) { left_ += count; }
  bool spent() const { return left_ == 0; }
  uint64_t left() const { return left_; }

 private:
  uint64_t left_;
};

}  // namespace thermocline
