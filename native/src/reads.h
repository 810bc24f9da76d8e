// A view that a task can take to another thread: it owns a store snapshot, the frozen component, and a copy of the
// parts of the active component that the read may meet.
#pragma once

#include "engine.h"

namespace thermocline {

// What a read on the engine's thread may step over; what it has stepped over counts for the turn.
class ReadSteps final : public Steps {
 public:
  ReadSteps(Engine& engine, uint64_t most) : Steps(engine.allowedSteps(most)), engine_(engine), allowed_(left()) {}
  ~ReadSteps() {
    engine_.turnSteps_.take(allowed_ - left());
    engine_.lastWalked_ = spent();
  }
  ReadSteps(const ReadSteps&) = delete;
  ReadSteps& operator=(const ReadSteps&) = delete;

 private:
  Engine& engine_;
  const uint64_t allowed_;
};

struct OwnedView {
  OwnedView(const Engine& engine, const ReadView& live);

  // Copies a page's header; its records are copied one by one.
  Page* copyPage(const SeriesRef& series, const Page& page);
  void copyRecord(Page& into, uint64_t id, const Blob& blob);

  size_t copiedBytes() const { return copy_ == nullptr ? 0 : copy_->bytes(); }

  Steps steps;
  ReadView view;
  const std::shared_ptr<SortedStore> store;

 private:
  std::shared_ptr<const StoreSnapshot> snapshot_;
  std::shared_ptr<const C0> frozen_;
  std::unique_ptr<C0> copy_;
  BlockLog* log_ = nullptr;
};

// Every record of a page, oldest first. Returns false if the view's steps were spent before the end.
bool eachRecord(SortedStore& store, const ReadView& view, const SeriesRef& series, uint64_t slice, uint64_t sliceDurationMs,
                const std::function<void(uint64_t id, uint64_t version, std::string_view value)>& visit);
// Every slice that the series has a page in, newest first, until `visit` returns false. Returns as `eachRecord`.
bool eachPage(SortedStore& store, const ReadView& view, const SeriesRef& series, const std::function<bool(uint64_t slice)>& visit);

}  // namespace thermocline
