// Validation: how pages that a cache holds stand against what is stored (layouts: protocol/src/client-messages.ts). Whether
// a page has changed is answered by the version cache, without touching component or store; what has changed is sent along.
//
// A delta is the records with a version above the one held. It is right only for a base that this page once was, with
// nothing removed since: at or above the page's floor (⚖18). Versions are indexes of the block's log, so that on every
// replica the same version means the same content.
//
// A directory has no header: its version is any index since which no page of the series came or went. Apply notes each such
// index in the version cache; where that has forgotten it, the applied index is one.
//
// Work is bounded by what is stepped over (steps.h): an item that would pass the bound on the engine's thread is answered as "later",
// a page that passes it on another thread as large, for the storage tier's scans can end in between and a page cannot.
#include "page_structure.h"
#include "reads.h"

namespace thermocline {
namespace {

constexpr uint32_t kMostPages = 64;
constexpr uint64_t kMostPageBytes = 64 * 1024;
constexpr uint64_t kRecordHeadOnWire = 18;
constexpr uint32_t kMostSlices = 4096;
// One walk over a page costs so many times less for a record that the cache holds than a step may.
constexpr uint32_t kHeldPerStep = 8;
constexpr uint8_t kAnswered = 0;
constexpr uint8_t kLater = 1;

struct Item {
  uint16_t block;
  std::string_view series;
  uint8_t pages;
  const uint8_t* held;
};

struct Head {
  bool sameGeneration;
  uint16_t items;
};

Head readHead(Reader& reader, uint32_t restoreGeneration) {
  Head head;
  head.sameGeneration = reader.u32() == restoreGeneration;
  reader.u8();
  head.items = reader.u16();
  return head;
}

Item readItem(Reader& reader) {
  Item item;
  item.block = reader.u16();
  const uint16_t length = reader.u16();
  if (length == 0 || length > kMaxSeriesBytes) reader.throwMalformed("has a series of a length out of range");
  item.series = reader.bytes(length);
  if (blockOf(item.series) != item.block) reader.throwMalformed("has a series of another block");
  item.pages = reader.u8();
  if (item.pages == 0 || item.pages > kMostPages) reader.throwMalformed("has a number of pages out of range");
  item.held = reader.take(item.pages * size_t{12});
  return item;
}

uint64_t sliceAt(const Item& item, uint32_t i) { return loadU48(item.held + i * 12); }
uint64_t heldAt(const Item& item, uint32_t i) { return loadU48(item.held + i * 12 + 6); }

bool isLarge(const PageHeader& header) { return header.bytes + header.count * kRecordHeadOnWire > kMostPageBytes; }

void answerLarge(uint64_t version, Sink& out) {
  out.u8(static_cast<uint8_t>(Verdict::large));
  out.u48(version);
}

// What has been put since `verdictAt` could not be finished: it gives way to the verdict that the page is large, or, on the engine's
// thread, to another thread's answer.
void answerStopped(const ReadView& view, size_t verdictAt, uint64_t version, Sink& out) {
  if (view.tier == ReadTier::cached) throw NeedsIo();
  out.truncate(verdictAt);
  answerLarge(version, out);
}

// Returns false if the view's steps were spent before the end.
bool answerRecords(SortedStore& store, const ReadView& view, const SeriesRef& series, uint64_t slice, uint64_t above, uint64_t durationMs,
                   Sink& out) {
  const size_t countAt = out.length();
  out.u32(0);
  uint32_t count = 0;
  uint32_t held = 0;
  const bool whole = eachRecord(store, view, series, slice, durationMs, [&](uint64_t id, uint64_t version, std::string_view value) {
    if (version <= above) {
      if (view.tier == ReadTier::cached && ++held % kHeldPerStep == 0) view.steps->take(1);
      return;
    }
    out.id(id);
    out.u48(version);
    out.u32(static_cast<uint32_t>(value.size()));
    out.put(value.data(), value.size());
    count++;
  });
  uint8_t bytes[4];
  storeU32(bytes, count);
  out.patch(countAt, bytes, sizeof bytes);
  return whole;
}

void answerDirectory(SortedStore& store, const ReadView& view, const SeriesRef& series, uint64_t version, Sink& out) {
  const size_t verdictAt = out.length();
  out.u8(static_cast<uint8_t>(Verdict::page));
  out.u48(version);
  const size_t countAt = out.length();
  out.u32(0);
  uint32_t count = 0;
  const bool whole = eachPage(store, view, series, [&](uint64_t slice) {
    if (++count > kMostSlices) return false;
    out.u48(slice);
    return true;
  });
  if (!whole) return answerStopped(view, verdictAt, version, out);
  if (count > kMostSlices) {
    out.truncate(verdictAt);
    return answerLarge(version, out);
  }
  uint8_t bytes[4];
  storeU32(bytes, count);
  out.patch(countAt, bytes, sizeof bytes);
}

void answerPage(SortedStore& store, const ReadView& view, const SeriesRef& series, uint64_t slice, uint64_t held, uint64_t durationMs,
                std::string& key, std::string& row, Sink& out) {
  PageHeader header;
  if (!readPageHeader(store, view, series, slice, key, row, header)) {
    out.u8(static_cast<uint8_t>(Verdict::absent));
    return;
  }
  if (isLarge(header)) return answerLarge(header.version, out);
  const size_t verdictAt = out.length();
  const bool delta = held >= header.floor && held < header.version;
  out.u8(static_cast<uint8_t>(delta ? Verdict::records : Verdict::page));
  out.u48(header.version);
  if (!answerRecords(store, view, series, slice, delta ? held : 0, durationMs, out)) answerStopped(view, verdictAt, header.version, out);
}

}  // namespace

// `u16 items | (u8 state | …)*`. Items that would have to wait are answered as such, and so are those that do not fit in the
// answer: each is asked for alone then, and fits:
// 64 pages of 64 KiB take 4 MiB and their heads. Once as much was read in vain as an answer holds, no more is: that bounds the work.
void Engine::validate(std::string_view request, const double* needs, size_t count, Sink& out) {
  Reader reader(request, "a validation");
  const Head head = readHead(reader, restoreGeneration_);
  if (head.items != count) reader.throwMalformed("has another number of items than it says");
  out.u16(head.items);
  ReadSteps steps(*this, config_.readSteps * kTurnReads);
  size_t cutBytes = 0;
  for (uint32_t i = 0; i < head.items; i++) {
    const Item item = readItem(reader);
    const BlockState* state = blocks_[item.block];
    const uint64_t applied = state == nullptr ? 0 : state->position.index;
    if (state != nullptr && state->installing) {
      out.u8(kLater);
      continue;
    }
    if (needs[i] < 0 || static_cast<double>(applied) < needs[i]) {
      out.u8(kLater);
      continue;
    }
    if (cutBytes > kMostAnswerBytes) {
      out.u8(kLater);
      continue;
    }
    const size_t at = out.length();
    try {
      validateItem(seriesOf(item.series, item.block), item.held, item.pages, head.sameGeneration, applied, steps, out);
    } catch (const NeedsIo&) {
      out.truncate(at);
      out.u8(kLater);
    }
    // Each of those to come takes one byte at least.
    const size_t left = head.items - 1 - i;
    if (out.length() + left > kMostAnswerBytes) {
      cutBytes += out.length() - at;
      out.truncate(at);
      out.u8(kLater);
    }
  }
  reader.finish();
}

void Engine::validateItem(const SeriesRef& series, const uint8_t* held, uint32_t pages, bool sameGeneration, uint64_t applied, Steps& steps,
                          Sink& out) {
  out.u8(kAnswered);
  out.u48(applied);
  std::optional<ReadView> view;
  for (; pages > 0; pages--, held += 12) {
    const uint64_t slice = loadU48(held);
    const uint64_t heldVersion = sameGeneration ? loadU48(held + 6) : kNothingHeld;
    uint64_t version = 0;
    if (!versions_.find(series, slice, version) || version > applied) {
      if (!view) view = liveView(series, &steps);
      if (steps.spent()) throw NeedsIo();
      steps.take(1);
      if (slice == kDirectorySlice) {
        version = applied;
      } else {
        PageHeader header;
        version = readPageHeader(*store_, *view, series, slice, key_, row_, header) ? header.version : 0;
      }
      versions_.put(series, slice, version);
    }
    if (version == heldVersion) {
      out.u8(static_cast<uint8_t>(Verdict::unchanged));
    } else if (version == 0 && slice != kDirectorySlice) {
      out.u8(static_cast<uint8_t>(Verdict::absent));
    } else {
      if (!view) view = liveView(series, &steps);
      if (slice == kDirectorySlice) {
        answerDirectory(*store_, *view, series, version, out);
      } else {
        answerPage(*store_, *view, series, slice, heldVersion, config_.sliceDurationMs, key_, row_, out);
      }
    }
  }
}

// One series on another thread, from a cut of the store; the version cache is filled when it finishes, unless the block
// moved on meanwhile.
class ValidateTask final : public Task {
 public:
  ValidateTask(Engine& engine, std::string_view bytes) : engine_(engine), bytes_(bytes), item_(parse()), series_(engine.seriesOf(item_.series, item_.block)), generation_(engine.versions_.generation(item_.block)) {
    engine.refuseInstalling(item_.block);
    const ReadView live = engine.liveView(series_);
    owned_ = std::make_unique<OwnedView>(engine, live);
    tooLong_.resize(item_.pages);
    if (live.active == nullptr) return;
    for (uint32_t i = 0; i < item_.pages; i++) {
      if (sliceAt(item_, i) == kDirectorySlice) {
        tooLong_[i] = live.active->pageCount > kMostSlices;
        for (uint32_t at = 0; at < live.active->pageCount && !tooLong_[i]; at++) owned_->copyPage(series_, *live.active->pages[at]);
      } else if (const Page* page = C0::findPage(*live.active, sliceAt(item_, i))) {
        tooLong_[i] = !copyWhole(*page);
      }
    }
  }

  void run() override {
    std::string key;
    std::string row;
    Sink out(result, kMostAnswerBytes);
    out.u16(1);
    out.u8(kAnswered);
    out.u48(owned_->view.appliedIndex);
    for (uint32_t i = 0; i < item_.pages; i++) {
      const uint64_t slice = sliceAt(item_, i);
      const uint64_t held = sameGeneration_ ? heldAt(item_, i) : kNothingHeld;
      PageHeader header;
      // What one page has spent is not to make all others large.
      owned_->steps = Steps(std::max(owned_->steps.left(), engine_.config_.readSteps));
      if (slice == kDirectorySlice) {
        versions_.push_back(owned_->view.appliedIndex);
        if (tooLong_[i]) answerLarge(versions_.back(), out);
        else answerDirectory(*owned_->store, owned_->view, series_, versions_.back(), out);
      } else if (readPageHeader(*owned_->store, owned_->view, series_, slice, key, row, header)) {
        versions_.push_back(header.version);
        if (held == header.version) {
          out.u8(static_cast<uint8_t>(Verdict::unchanged));
        } else if (tooLong_[i]) {
          answerLarge(header.version, out);
        } else {
          answerPage(*owned_->store, owned_->view, series_, slice, held, engine_.config_.sliceDurationMs, key, row, out);
        }
      } else {
        versions_.push_back(0);
        out.u8(static_cast<uint8_t>(held == 0 ? Verdict::unchanged : Verdict::absent));
      }
    }
  }

  size_t heldBytes() const override { return bytes_.size() + owned_->copiedBytes(); }

  void finish(bool failed) override {
    const bool unchanged = engine_.isUnchanged(series_.block, owned_->view.appliedIndex, generation_);
    if (!failed && unchanged) {
      for (uint32_t i = 0; i < item_.pages; i++) engine_.versions_.put(series_, sliceAt(item_, i), versions_[i]);
    }
    owned_.reset();
  }

 private:
  Item parse() {
    Reader reader(bytes_, "a validation");
    const Head head = readHead(reader, engine_.restoreGeneration_);
    sameGeneration_ = head.sameGeneration;
    if (head.items != 1) reader.throwMalformed("that is patient has more than one series");
    const Item item = readItem(reader);
    reader.finish();
    return item;
  }

  // Returns false if the removals among its records, and those of the pages before, are too many to be copied.
  bool copyWhole(const Page& page) {
    Page* copied = owned_->copyPage(series_, page);
    // Of a large one the header says all that is asked.
    if (page.exists && isLarge(page.header)) return true;
    RecordCursor cursor;
    for (cursor.seek(&page, 0); page.exists && cursor.valid(); cursor.next()) {
      if (cursor.blob().removed() && ++copiedRemovals_ > kMostCopiedExtras) return false;
      owned_->copyRecord(*copied, cursor.id(), cursor.blob());
    }
    return true;
  }

  Engine& engine_;
  const std::string bytes_;
  bool sameGeneration_ = false;
  const Item item_;
  const SeriesRef series_;
  const uint32_t generation_;
  std::unique_ptr<OwnedView> owned_;
  std::vector<uint64_t> versions_;
  uint64_t copiedRemovals_ = 0;
  // Pages that are not copied whole.
  std::vector<bool> tooLong_;
};

std::unique_ptr<Task> Engine::validateTask(std::string_view request) { return std::make_unique<ValidateTask>(*this, request); }

}  // namespace thermocline
