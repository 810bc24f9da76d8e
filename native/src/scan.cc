// Range scans. A scan walks the pages of its series in slice order, merged from both components and the store, and in
// each page the records, merged the same way; the newest source wins, removals hide what is below. Page headers stand
// newest first in the store, so the first page of a series with thousands of slices costs one seek.
//
// Two facts keep it from reading what it need not: a page without a header has no records, so only pages that have one
// are opened; and the header says how many records the store holds of a page, so that the walk stops at the last one
// instead of stepping into a neighbouring block of the table. (The count is not trusted for pages in the frozen
// component: their rows may just be arriving in the store.)
//
// A walk is bounded by what it steps over (steps.h). Where its steps are spent it stops, and `stoppedAt` is an id that nothing before
// it, in the walk's direction, was missed of: a scan can go on from there. However few steps there are, it goes past one page or record.
#include "reads.h"

namespace thermocline {
namespace {

// Of a page's key, behind the name.
constexpr size_t kSliceBytes = 6;

enum class Walked { found, end, stopped };

uint64_t firstIdOf(uint64_t slice, uint64_t durationMs) { return (slice * durationMs) << 16; }
uint64_t lastIdOf(uint64_t slice, uint64_t durationMs) {
  const uint64_t endMs = (slice + 1) * durationMs;
  return endMs > kSliceMask ? UINT64_MAX : (endMs << 16) - 1;
}

uint64_t recordLimit(const ScanRequest& request) {
  return request.limit == 0 || request.limit > kMaxScanRecords ? kMaxScanRecords : request.limit;
}

// The engine thread's iterator for live reads, one of its own for any other.
StoreIterator& iteratorFor(SortedStore& store, const ReadView& view, Family family, std::unique_ptr<StoreIterator>& owned) {
  if (view.snapshot == nullptr && view.tier == ReadTier::cached) return store.ownIterator(family);
  owned = store.iterate(family, view.snapshot, view.tier, std::max(view.steps->left(), kReadSteps));
  return *owned;
}

// Around a call of an iterator: what it skips beyond what lies beside any row is stepped over, even if it throws then.
class Skipping {
 public:
  Skipping(const ReadView& view, const StoreIterator& rows) : view_(view), rows_(rows) {}
  ~Skipping() {
    const uint64_t skipped = rows_.skipped();
    // On the engine's thread the iterator has stopped then, and only a walk comes past what lies there.
    const bool walks = view_.tier == ReadTier::cached && skipped >= kReadSteps;
    view_.steps->take(walks ? view_.steps->left() : skipped - std::min(skipped, kFreeSkips));
  }

 private:
  const ReadView& view_;
  const StoreIterator& rows_;
};

// Walks the pages of one series in a component, in either direction.
class PageCursor {
 public:
  PageCursor(const Series* series, uint64_t fromSlice, uint64_t toSlice, bool reverse) : series_(series), reverse_(reverse) {
    if (series_ == nullptr) return;
    at_ = C0::lowerBound(*series_, fromSlice);
    end_ = C0::lowerBound(*series_, toSlice + 1);
  }
  const Page* page() const {
    if (series_ == nullptr || at_ >= end_) return nullptr;
    return series_->pages[reverse_ ? end_ - 1 : at_];
  }
  void step() {
    if (reverse_) {
      end_--;
    } else {
      at_++;
    }
  }

 private:
  const Series* series_;
  const bool reverse_;
  uint32_t at_ = 0;
  uint32_t end_ = 0;
};

class PageWalk {
 public:
  PageWalk(SortedStore& store, const ReadView& view, const SeriesRef& series, uint64_t fromSlice, uint64_t toSlice, bool reverse)
      : view_(view), active_(view.active, fromSlice, toSlice, reverse), frozen_(view.frozen, fromSlice, toSlice, reverse), reverse_(reverse),
        lastSlice_(reverse ? fromSlice : toSlice) {
    pagePrefix(prefix_, series.block, series.name);
    std::string key;
    pageKey(key, series.block, series.name, reverse ? toSlice : fromSlice);
    rows_ = &iteratorFor(store, view, Family::pages, owned_);
    const Skipping skipping(view, *rows_);
    if (reverse) {
      rows_->seek(key);
    } else {
      rows_->seekForPrev(key);
    }
  }

  // Moves to the next page that exists; stopped, `slice` is the first that may have one.
  Walked next() {
    for (;;) {
      stepPast();
      const bool stopped = rows_->stopped() && inRange(rows_->stoppedAt());
      const bool row = stopped || (rows_->valid() && inRange(rows_->key()));
      const uint64_t rowSlice = row ? sliceOfPageKey(stopped ? rows_->stoppedAt() : rows_->key()) : 0;
      bool found = row;
      slice = rowSlice;
      for (const Page* page : {active_.page(), frozen_.page()}) {
        if (page != nullptr && (!found || (reverse_ ? page->slice > slice : page->slice < slice))) {
          slice = page->slice;
          found = true;
        }
      }
      if (!found) return Walked::end;
      if ((started_ && view_.steps->spent()) || (stopped && slice == rowSlice)) return Walked::stopped;
      view_.steps->take(1);
      active = active_.page() != nullptr && active_.page()->slice == slice ? active_.page() : nullptr;
      frozen = frozen_.page() != nullptr && frozen_.page()->slice == slice ? frozen_.page() : nullptr;
      inStore = row && rowSlice == slice;
      started_ = true;
      const Page* newest = active != nullptr ? active : frozen;
      if (newest != nullptr && !newest->exists) continue;
      storedRecords = inStore ? decodePage(rows_->value()).count : 0;
      return Walked::found;
    }
  }

  uint64_t slice = 0;
  const Page* active = nullptr;
  const Page* frozen = nullptr;
  bool inStore = false;
  uint32_t storedRecords = 0;

 private:
  bool inRange(std::string_view key) const {
    if (key.size() != prefix_.size() + kSliceBytes || !startsWith(key, prefix_)) return false;
    const uint64_t at = sliceOfPageKey(key);
    return reverse_ ? at >= lastSlice_ : at <= lastSlice_;
  }
  void stepPast() {
    if (!started_) return;
    if (active != nullptr) active_.step();
    if (frozen != nullptr) frozen_.step();
    if (!inStore) return;
    const Skipping skipping(view_, *rows_);
    if (reverse_) {
      rows_->next();
    } else {
      rows_->prev();
    }
  }

  const ReadView& view_;
  PageCursor active_;
  PageCursor frozen_;
  const bool reverse_;
  const uint64_t lastSlice_;
  bool started_ = false;
  std::string prefix_;
  std::unique_ptr<StoreIterator> owned_;
  StoreIterator* rows_ = nullptr;
};

// Walks the records of one page within the scan's bounds.
class RecordWalk {
 public:
  RecordWalk(SortedStore& store, const ReadView& view, const SeriesRef& series, const ScanRequest& request, uint64_t durationMs)
      : store_(store), view_(view), series_(series), request_(request), durationMs_(durationMs) {}

  void open(const PageWalk& page) {
    emitted_ = false;
    const bool below = page.active == nullptr || !page.active->fresh;
    openCursor(active_, page.active);
    openCursor(frozen_, below ? page.frozen : nullptr);
    stored_ = below && page.inStore && (page.frozen == nullptr || !page.frozen->fresh);
    if (!stored_) return;
    const bool whole = request_.from <= firstIdOf(page.slice, durationMs_) && request_.to >= lastIdOf(page.slice, durationMs_);
    const bool countHolds = page.frozen == nullptr || view_.snapshot != nullptr;
    storedLeft_ = whole && countHolds ? page.storedRecords : UINT32_MAX;
    if (rows_ == nullptr) rows_ = &iteratorFor(store_, view_, Family::records, owned_);
    recordPrefix(prefix_, page.slice, series_.block, series_.name);
    key_ = prefix_;
    appendU64(key_, request_.reverse ? request_.to : request_.from);
    const Skipping skipping(view_, *rows_);
    if (request_.reverse) {
      rows_->seekForPrev(key_);
    } else {
      rows_->seek(key_);
    }
  }

  // Moves to the next record; stopped, `id` is the first that may be one.
  Walked next() {
    for (;;) {
      stepPast();
      const bool more = stored_ && storedLeft_ > 0;
      const bool stopped = more && rows_->stopped() && inPage(rows_->stoppedAt());
      const bool row = stopped || (more && rows_->valid() && inPage(rows_->key()));
      const uint64_t rowId = row ? idOf(stopped ? rows_->stoppedAt() : rows_->key()) : 0;
      bool found = false;
      consider(row, rowId, found);
      consider(cursorValid(active_), active_.valid() ? active_.id() : 0, found);
      consider(cursorValid(frozen_), frozen_.valid() ? frozen_.id() : 0, found);
      if (!found) return Walked::end;
      if ((emitted_ && view_.steps->spent()) || (stopped && rowId == id)) return Walked::stopped;
      emitted_ = true;
      fromStore_ = row && rowId == id;
      const bool inActive = cursorValid(active_) && active_.id() == id;
      const bool inFrozen = cursorValid(frozen_) && frozen_.id() == id;
      if (inActive || inFrozen) {
        const Blob& blob = inActive ? active_.blob() : frozen_.blob();
        if (blob.removed()) {
          view_.steps->take(1);
          continue;
        }
        version = blob.version();
        value = blob.value();
      } else {
        value = recordValue(rows_->value());
        version = loadU48(rows_->value().data());
      }
      return Walked::found;
    }
  }

  uint64_t id = 0;
  uint64_t version = 0;
  std::string_view value;

 private:
  bool inBounds(uint64_t at) const { return at >= request_.from && at <= request_.to; }
  bool cursorValid(const RecordCursor& cursor) const { return cursor.valid() && inBounds(cursor.id()); }
  uint64_t idOf(std::string_view key) const { return loadU64BigEndian(key.data() + prefix_.size()); }
  bool inPage(std::string_view key) const { return key.size() == prefix_.size() + 8 && startsWith(key, prefix_) && inBounds(idOf(key)); }
  void openCursor(RecordCursor& cursor, const Page* page) {
    if (request_.reverse) {
      cursor.seekForPrev(page, request_.to);
    } else {
      cursor.seek(page, request_.from);
    }
  }
  void consider(bool valid, uint64_t candidate, bool& found) {
    if (!valid || (found && (request_.reverse ? candidate <= id : candidate >= id))) return;
    id = candidate;
    found = true;
  }
  void stepCursor(RecordCursor& cursor) {
    if (!cursor.valid() || cursor.id() != id) return;
    if (request_.reverse) {
      cursor.prev();
    } else {
      cursor.next();
    }
  }
  void stepPast() {
    if (!emitted_) return;
    stepCursor(active_);
    stepCursor(frozen_);
    if (!fromStore_ || --storedLeft_ == 0) return;
    const Skipping skipping(view_, *rows_);
    if (request_.reverse) {
      rows_->prev();
    } else {
      rows_->next();
    }
  }

  SortedStore& store_;
  const ReadView& view_;
  const SeriesRef& series_;
  const ScanRequest& request_;
  const uint64_t durationMs_;
  RecordCursor active_;
  RecordCursor frozen_;
  std::unique_ptr<StoreIterator> owned_;
  StoreIterator* rows_ = nullptr;
  std::string prefix_;
  std::string key_;
  bool stored_ = false;
  bool emitted_ = false;
  bool fromStore_ = false;
  uint32_t storedLeft_ = 0;
};

// All records of a scan in order, over pages.
class Walk {
 public:
  Walk(SortedStore& store, const ReadView& view, const SeriesRef& series, const ScanRequest& request, uint64_t durationMs)
      : view_(view), pages_(store, view, series, (request.from >> 16) / durationMs, (request.to >> 16) / durationMs, request.reverse),
        record(store, view, series, request, durationMs), request_(request), durationMs_(durationMs) {}

  Walked next() {
    for (;;) {
      if (open_) {
        const Walked walked = record.next();
        if (walked == Walked::stopped) stoppedAt = record.id;
        if (walked == Walked::found && isPaid_) view_.steps->give(1);
        isPaid_ = false;
        if (walked != Walked::end) return walked;
      }
      const Walked walked = pages_.next();
      if (walked == Walked::stopped) stoppedAt = firstIn(pages_.slice);
      open_ = walked == Walked::found;
      if (!open_) return walked;
      isPaid_ = true;
      record.open(pages_);
    }
  }

  // Where it stopped.
  uint64_t stoppedAt = 0;

 private:
  const ReadView& view_;
  PageWalk pages_;
  bool open_ = false;
  // The page took a step, which a record of it gives back: what is returned is not stepped over.
  bool isPaid_ = false;

 public:
  RecordWalk record;

 private:
  // The slice's first id in the walk's direction; the range may begin within it.
  uint64_t firstIn(uint64_t slice) const {
    return request_.reverse ? std::min(lastIdOf(slice, durationMs_), request_.to) : std::max(firstIdOf(slice, durationMs_), request_.from);
  }

  const ScanRequest& request_;
  const uint64_t durationMs_;
};

void answerScan(Walk& walk, const ReadView& view, const ScanRequest& request, Sink& out) {
  out.u48(view.appliedIndex);
  const size_t headAt = out.length();
  out.u8(0);
  out.id(0);
  out.u32(0);
  uint32_t count = 0;
  uint64_t bytes = 0;
  bool more = false;
  uint64_t next = 0;
  uint64_t last = 0;
  const auto after = [&](uint64_t id) {
    more = id != (request.reverse ? request.from : request.to);
    next = request.reverse ? id - 1 : id + 1;
  };
  const uint64_t limit = recordLimit(request);
  for (;;) {
    Walked walked;
    try {
      walked = walk.next();
    } catch (const NeedsIo&) {
      // The records are there; only whether another one follows is not known without the disk.
      if (count < limit) throw;
      after(last);
      break;
    }
    const uint64_t id = walked == Walked::found ? walk.record.id : walk.stoppedAt;
    if (view.bounded && (walked == Walked::end || (request.reverse ? id < view.boundId : id > view.boundId))) {
      after(view.boundId);
      break;
    }
    if (walked == Walked::end) break;
    if (walked == Walked::stopped) {
      if (view.tier == ReadTier::cached && count < limit) throw NeedsIo();
      more = true;
      next = id;
      break;
    }
    const std::string_view value = walk.record.value;
    if (count == limit || (count > 0 && bytes + value.size() > kScanChunkBytes)) {
      more = true;
      next = id;
      break;
    }
    out.id(id);
    out.u48(walk.record.version);
    out.u32(static_cast<uint32_t>(value.size()));
    out.put(value.data(), value.size());
    bytes += value.size();
    count++;
    last = id;
  }
  if (!more) next = 0;
  uint8_t head[13];
  head[0] = more ? 1 : 0;
  storeU64BigEndian(head + 1, next);
  storeU32(head + 9, count);
  out.patch(headAt, head, sizeof head);
}

// Copies what the scan can meet of the active component, in its order, until it can hold no more records.
void copyRange(OwnedView& owned, const Series& active, const SeriesRef& series, const ScanRequest& request, uint64_t durationMs) {
  PageCursor pages(&active, (request.from >> 16) / durationMs, (request.to >> 16) / durationMs, request.reverse);
  const uint64_t limit = recordLimit(request) + 1;
  uint64_t records = 0;
  uint64_t bytes = 0;
  uint64_t extras = 0;
  const auto full = [&] { return records >= limit || bytes > kScanChunkBytes || extras >= kMostCopiedExtras; };
  // The range may begin or end within a slice.
  const auto endAt = [&](uint64_t id) {
    owned.view.bounded = true;
    owned.view.boundId = std::clamp(id, request.from, request.to);
  };
  for (; pages.page() != nullptr; pages.step()) {
    const Page& page = *pages.page();
    Page* copied = owned.copyPage(series, page);
    extras++;
    RecordCursor cursor;
    if (request.reverse) {
      cursor.seekForPrev(&page, request.to);
    } else {
      cursor.seek(&page, request.from);
    }
    for (; cursor.valid() && cursor.id() >= request.from && cursor.id() <= request.to; request.reverse ? cursor.prev() : cursor.next()) {
      owned.copyRecord(*copied, cursor.id(), cursor.blob());
      records += cursor.blob().removed() ? 0 : 1;
      extras += cursor.blob().removed() ? 1 : 0;
      bytes += cursor.blob().size;
      if (full()) return endAt(cursor.id());
    }
    if (full()) return endAt(request.reverse ? firstIdOf(page.slice, durationMs) : lastIdOf(page.slice, durationMs));
  }
}

class ScanTask final : public Task {
 public:
  ScanTask(std::string_view bytes, uint16_t block, const HashKey& key, uint64_t durationMs)
      : bytes_(bytes), request(parseScan(bytes_)), series(request.series, block, key), durationMs_(durationMs) {}

  void run() override {
    Sink out(result, kMostAnswerBytes);
    runScan(*owned->store, owned->view, series, request, durationMs_, out);
  }
  void finish(bool) override { owned.reset(); }
  size_t heldBytes() const override { return bytes_.size() + owned->copiedBytes(); }

 private:
  const std::string bytes_;

 public:
  const ScanRequest request;
  const SeriesRef series;
  std::unique_ptr<OwnedView> owned;

 private:
  const uint64_t durationMs_;
};

}  // namespace

ScanRequest parseScan(std::string_view request) {
  Reader reader(request, "a scan");
  const uint16_t length = reader.u16();
  if (length == 0 || length > kMaxSeriesBytes) reader.throwMalformed("has a series of a length out of range");
  ScanRequest parsed;
  parsed.series = reader.bytes(length);
  parsed.from = reader.id();
  parsed.to = reader.id();
  parsed.limit = reader.u32();
  const uint8_t reverse = reader.u8();
  if (reverse > 1) reader.throwMalformed("has a direction that is not known");
  parsed.reverse = reverse == 1;
  reader.finish();
  return parsed;
}

void runScan(SortedStore& store, const ReadView& view, const SeriesRef& series, const ScanRequest& request, uint64_t sliceDurationMs,
             Sink& out) {
  if (request.from > request.to) {
    out.u48(view.appliedIndex);
    out.u8(0);
    out.id(0);
    out.u32(0);
    return;
  }
  Walk walk(store, view, series, request, sliceDurationMs);
  answerScan(walk, view, request, out);
}

bool eachRecord(SortedStore& store, const ReadView& view, const SeriesRef& series, uint64_t slice, uint64_t sliceDurationMs,
                const std::function<void(uint64_t, uint64_t, std::string_view)>& visit) {
  ScanRequest request;
  request.series = series.name;
  request.from = firstIdOf(slice, sliceDurationMs);
  request.to = lastIdOf(slice, sliceDurationMs);
  request.reverse = false;
  Walk walk(store, view, series, request, sliceDurationMs);
  for (;;) {
    const Walked walked = walk.next();
    if (walked != Walked::found) return walked == Walked::end;
    visit(walk.record.id, walk.record.version, walk.record.value);
  }
}

bool eachPage(SortedStore& store, const ReadView& view, const SeriesRef& series, const std::function<bool(uint64_t)>& visit) {
  PageWalk pages(store, view, series, 0, kSliceMask - 1, true);
  for (;;) {
    const Walked walked = pages.next();
    if (walked != Walked::found) return walked == Walked::end;
    if (!visit(pages.slice)) return true;
  }
}

void Engine::scan(uint16_t block, std::string_view request, Sink& out) {
  const ScanRequest parsed = parseScan(request);
  refuseInstalling(block);
  const SeriesRef series = seriesOf(parsed.series, block);
  ReadSteps steps(*this, config_.readSteps);
  runScan(*store_, liveView(series, &steps), series, parsed, config_.sliceDurationMs, out);
}

std::unique_ptr<Task> Engine::scanTask(uint16_t block, std::string_view request) {
  auto task = std::make_unique<ScanTask>(request, block, versions_.key(), config_.sliceDurationMs);
  refuseInstalling(block);
  const ReadView live = liveView(task->series);
  task->owned = std::make_unique<OwnedView>(*this, live);
  if (live.active != nullptr && task->request.from <= task->request.to) {
    copyRange(*task->owned, *live.active, task->series, task->request, config_.sliceDurationMs);
  }
  return task;
}

}  // namespace thermocline
