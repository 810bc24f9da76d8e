// Stretches of a table in which removals are dense. Reads have to step over them, and nothing else would compact a table for them soon:
// it is small beside the level below.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace thermocline {

// Removals among so many rows in a row that make the stretch dense: as many as a read on the engine's thread may step over (steps.h).
constexpr size_t kRemovalWindow = 512;
constexpr size_t kDenseRemovals = 256;
// Stretches told apart; what comes after the last is taken into it.
constexpr size_t kMostRemovalRuns = 64;

struct KeyRange {
  std::string first;
  std::string last;
};

class RemovalRuns {
 public:
  // The rows of a table, in order.
  void note(std::string_view key, bool removed) {
    if (rows_ == 0) first_.assign(key);
    last_.assign(key);
    removals_ += removed ? 1 : 0;
    if (++rows_ == kRemovalWindow) endWindow();
  }
  // After the last row.
  const std::vector<KeyRange>& runs() {
    endWindow();
    return runs_;
  }

 private:
  void endWindow() {
    const bool dense = removals_ >= kDenseRemovals;
    const bool goesOn = wasDense_ || runs_.size() == kMostRemovalRuns;
    if (dense && goesOn) runs_.back().last = last_;
    if (dense && !goesOn) runs_.push_back({first_, last_});
    wasDense_ = dense;
    rows_ = 0;
    removals_ = 0;
  }

  std::vector<KeyRange> runs_;
  std::string first_;
  std::string last_;
  size_t rows_ = 0;
  size_t removals_ = 0;
  bool wasDense_ = false;
};

}  // namespace thermocline
