// Point reads: get, peek and page versions. Each looks at the active component, the frozen one and the store, in that
// order, through a `ReadView`. The synchronous form views the live components and may only use the block cache; the
// task form takes a store snapshot and a private copy of what it may need of the active component, then reads at leisure.
#include "reads.h"

namespace thermocline {

// A record's place in a component: found (a value or a removal), or known to be absent below, or unknown.
static const Blob* findIn(const Series* series, uint64_t slice, uint64_t id, bool& nothingBelow) {
  if (series == nullptr) return nullptr;
  const Page* page = C0::findPage(*series, slice);
  if (page == nullptr) return nullptr;
  nothingBelow = page->fresh || !page->exists;
  return C0::findRecord(*page, id);
}

bool readRecord(SortedStore& store, const ReadView& view, const SeriesRef& series, uint64_t slice, uint64_t id, std::string& key,
                std::string& row, uint64_t& version, std::string_view& value) {
  bool nothingBelow = false;
  const Blob* blob = findIn(view.active, slice, id, nothingBelow);
  if (blob == nullptr && !nothingBelow) blob = findIn(view.frozen, slice, id, nothingBelow);
  if (blob != nullptr) {
    if (blob->removed()) return false;
    version = blob->version();
    value = blob->value();
    return true;
  }
  if (nothingBelow) return false;
  recordKey(key, slice, series.block, series.name, id);
  if (!store.get(Family::records, key, view.snapshot, view.tier, row)) return false;
  value = recordValue(row);
  version = loadU48(row.data());
  return true;
}

bool readPageHeader(SortedStore& store, const ReadView& view, const SeriesRef& series, uint64_t slice, std::string& key, std::string& row,
                    PageHeader& header) {
  for (const Series* component : {view.active, view.frozen}) {
    const Page* page = component == nullptr ? nullptr : C0::findPage(*component, slice);
    if (page == nullptr) continue;
    if (page->exists) header = page->header;
    return page->exists;
  }
  pageKey(key, series.block, series.name, slice);
  if (!store.get(Family::pages, key, view.snapshot, view.tier, row)) return false;
  header = decodePage(row);
  return true;
}

const Series* Engine::frozenSeries(const SeriesRef& series) const {
  if (frozen_ == nullptr) return nullptr;
  const BlockState* state = blocks_[series.block];
  if (state != nullptr && state->droppedRotation == rotation_) return nullptr;
  return frozen_->find(series);
}

ReadView Engine::liveView(const SeriesRef& series, Steps* steps) const {
  ReadView view;
  view.steps = steps;
  view.active = active_->find(series);
  view.frozen = frozenSeries(series);
  view.tier = ReadTier::cached;
  const BlockState* state = blocks_[series.block];
  view.appliedIndex = state == nullptr ? 0 : state->position.index;
  if (state != nullptr) view.digestKey = state->position.digestKey;
  return view;
}

OwnedView::OwnedView(const Engine& engine, const ReadView& live)
    : steps(engine.config_.taskSteps), view(live), store(engine.store_), snapshot_(engine.stableSnapshot()), frozen_(engine.frozen_) {
  view.snapshot = snapshot_.get();
  view.tier = ReadTier::disk;
  view.steps = &steps;
  view.active = nullptr;
}

Page* OwnedView::copyPage(const SeriesRef& series, const Page& page) {
  if (copy_ == nullptr) {
    copy_ = std::make_unique<C0>();
    log_ = &copy_->addLog(series.block);
  }
  Series& into = copy_->findOrAdd(series, *log_);
  view.active = &into;
  if (Page* copied = C0::findPage(into, page.slice)) return copied;
  Page& copied = copy_->addPage(into, page.slice, nullptr, {});
  copied.header = page.header;
  copied.exists = page.exists;
  copied.fresh = page.fresh;
  return &copied;
}

void OwnedView::copyRecord(Page& into, uint64_t id, const Blob& blob) {
  if (blob.removed()) {
    copy_->remove(into, id, blob.version());
  } else {
    copy_->put(into, id, blob.version(), blob.value());
  }
}

namespace {

void copyWanted(OwnedView& owned, const ReadView& live, const SeriesRef& series, uint64_t slice, uint64_t id) {
  const Page* page = live.active == nullptr ? nullptr : C0::findPage(*live.active, slice);
  if (page == nullptr) return;
  Page* copied = owned.copyPage(series, *page);
  if (const Blob* blob = C0::findRecord(*page, id)) owned.copyRecord(*copied, id, *blob);
}

std::string_view readSeries(Reader& reader) {
  const uint16_t length = reader.u16();
  if (length == 0 || length > kMaxSeriesBytes) reader.throwMalformed("has a series of a length out of range");
  return reader.bytes(length);
}

// What a get copies of the active component: an answer, and what a component takes beside its records.
constexpr size_t kMostCopiedBytes = kMostAnswerBytes + 1024 * 1024;
// Before a value in the answer of a get.
constexpr size_t kGetHeadBytes = 10;

struct IdsRequest {
  std::string_view series;
  uint16_t count;
  const uint8_t* items;
};

IdsRequest parseIds(std::string_view request, size_t itemBytes, const char* what) {
  Reader reader(request, what);
  IdsRequest parsed;
  parsed.series = readSeries(reader);
  parsed.count = reader.u16();
  parsed.items = reader.take(parsed.count * itemBytes);
  reader.finish();
  return parsed;
}
IdsRequest parseGet(std::string_view request) { return parseIds(request, 8, "a get"); }
// A directory has no header to answer from: what is said of it here would stand in the version cache.
IdsRequest parsePageVersions(std::string_view request) {
  const IdsRequest parsed = parseIds(request, 6, "a page version request");
  for (uint32_t i = 0; i < parsed.count; i++) {
    if (loadU48(parsed.items + i * 6) == kDirectorySlice) Reader({}, "a page version request").throwMalformed("asks about a directory");
  }
  return parsed;
}

[[noreturn]] void throwTooLong(uint32_t some, uint32_t all) {
  throw EngineError(ErrorKind::range, "invalid_argument",
                    "ids: the values of the first " + std::to_string(some) + " of " + std::to_string(all) + " take more than " +
                        std::to_string(kMostAnswerBytes) + " bytes, the most of one answer: ask for fewer at once");
}

void answerGet(SortedStore& store, const ReadView& view, const SeriesRef& series, const IdsRequest& request, uint64_t sliceDurationMs,
               std::string& key, std::string& row, Sink& out) {
  out.u48(view.appliedIndex);
  for (uint32_t i = 0; i < request.count; i++) {
    const uint64_t id = loadU64BigEndian(request.items + i * 8);
    uint64_t version = 0;
    std::string_view value;
    if (!readRecord(store, view, series, (id >> 16) / sliceDurationMs, id, key, row, version, value)) {
      version = 0;
      value = {};
    }
    if (out.length() + kGetHeadBytes + value.size() > kMostAnswerBytes) throwTooLong(i + 1, request.count);
    out.u48(version);
    out.u32(static_cast<uint32_t>(value.size()));
    out.put(value.data(), value.size());
  }
}

// One operation of a write request, as far as peek cares.
struct PeekRequest {
  const uint8_t* requestId;
  std::string_view series;
  uint16_t operations;
  std::string_view rest;
};

uint64_t nextPeekId(Reader& reader) {
  reader.take(1 + 1 + 6);
  const uint64_t id = reader.id();
  reader.take(reader.u32());
  return id;
}

PeekRequest parsePeek(std::string_view request) {
  Reader reader(request, "a write request");
  PeekRequest parsed;
  parsed.requestId = reader.take(kRequestIdBytes);
  reader.take(6);
  parsed.series = readSeries(reader);
  parsed.operations = reader.u16();
  parsed.rest = request.substr(request.size() - reader.left());
  for (uint32_t left = parsed.operations; left > 0; left--) nextPeekId(reader);
  reader.finish();
  return parsed;
}

// What a write is to know of the record that it replaces; all zeros where there is none.
struct OldRecord {
  bool exists = false;
  uint64_t version = 0;
  uint32_t size = 0;
  uint64_t element = 0;
};

OldRecord oldRecordOf(const HashKey& digestKey, const Hash128& name, uint64_t id, uint64_t version, std::string_view value) {
  return {true, version, static_cast<uint32_t>(value.size()), recordElement(digestKey, name, id, version, value)};
}

void writePeekHead(const PeekRequest& request, Sink& out) {
  constexpr uint8_t unknown[1 + kAnswerBytes] = {};
  out.put(unknown, sizeof unknown);
  out.u16(request.operations);
}

void writeOldRecord(const OldRecord& old, Sink& out) {
  out.u8(old.exists ? 1 : 0);
  out.u48(old.version);
  out.u32(old.size);
  out.u64(old.element);
}

OldRecord readOldRecord(SortedStore& store, const ReadView& view, const SeriesRef& series, const Hash128& name, uint64_t slice, uint64_t id,
                        std::string& key, std::string& row) {
  uint64_t version = 0;
  std::string_view value;
  if (!readRecord(store, view, series, slice, id, key, row, version, value)) return {};
  return oldRecordOf(view.digestKey, name, id, version, value);
}

// True if the request is answered already; the answer is then written, with no operations after it.
bool answerKnown(const RequestTable& requests, uint16_t block, const PeekRequest& request, Sink& out) {
  Answer answer;
  if (!requests.find(block, request.requestId, answer)) return false;
  out.u8(1);
  out.u8(answer.code);
  out.u48(answer.index);
  out.put(answer.detail, kDetailBytes);
  out.u16(0);
  return true;
}

// A get on another thread. The request's bytes are its own.
class GetTask final : public Task {
 public:
  GetTask(std::string_view bytes, uint16_t block, const HashKey& key, uint64_t sliceDurationMs)
      : bytes_(bytes), request(parseGet(bytes_)), series(request.series, block, key), sliceDurationMs_(sliceDurationMs) {}

  void run() override {
    std::string key;
    std::string row;
    Sink out(result, kMostAnswerBytes);
    answerGet(*owned->store, owned->view, series, request, sliceDurationMs_, key, row, out);
  }
  void finish(bool) override { owned.reset(); }
  size_t heldBytes() const override { return bytes_.size() + owned->copiedBytes(); }

 private:
  const std::string bytes_;

 public:
  const IdsRequest request;
  const SeriesRef series;
  std::unique_ptr<OwnedView> owned;

 private:
  const uint64_t sliceDurationMs_;
};

// A peek on another thread. Of what the active component holds it takes what is asked and no values, which may be large; the
// rest is read from below.
class PeekTask final : public Task {
 public:
  PeekTask(std::string_view bytes, uint16_t block, const HashKey& key, uint64_t sliceDurationMs)
      : bytes_(bytes), request(parsePeek(bytes_)), series(request.series, block, key), sliceDurationMs_(sliceDurationMs) {}

  void lookAtActive(const ReadView& live) {
    name_ = digestName(live.digestKey, series.name);
    Reader reader(request.rest, "a write request");
    for (uint32_t left = request.operations; left > 0; left--) {
      const uint64_t id = nextPeekId(reader);
      bool nothingBelow = false;
      const Blob* blob = findIn(live.active, (id >> 16) / sliceDurationMs_, id, nothingBelow);
      const bool exists = blob != nullptr && !blob->removed();
      known_.push_back({id, blob != nullptr || nothingBelow, exists ? oldRecordOf(live.digestKey, name_, id, blob->version(), blob->value()) : OldRecord{}});
    }
  }

  // Without a view the request has its answer already.
  void run() override {
    if (owned == nullptr) return;
    std::string key;
    std::string row;
    Sink out(result);
    writePeekHead(request, out);
    for (const Known& at : known_) {
      writeOldRecord(at.isKnown ? at.old : readOldRecord(*owned->store, owned->view, series, name_, (at.id >> 16) / sliceDurationMs_, at.id, key, row), out);
    }
  }
  void finish(bool) override { owned.reset(); }
  size_t heldBytes() const override { return bytes_.size() + known_.size() * sizeof(Known); }

 private:
  struct Known {
    uint64_t id;
    bool isKnown;
    OldRecord old;
  };
  const std::string bytes_;

 public:
  const PeekRequest request;
  const SeriesRef series;
  std::unique_ptr<OwnedView> owned;

 private:
  const uint64_t sliceDurationMs_;
  Hash128 name_;
  std::vector<Known> known_;
};

}  // namespace

void Engine::get(uint16_t block, std::string_view request, Sink& out) {
  const IdsRequest parsed = parseGet(request);
  refuseInstalling(block);
  const SeriesRef series = seriesOf(parsed.series, block);
  answerGet(*store_, liveView(series), series, parsed, config_.sliceDurationMs, key_, row_, out);
}

std::unique_ptr<Task> Engine::getTask(uint16_t block, std::string_view request) {
  auto task = std::make_unique<GetTask>(request, block, versions_.key(), config_.sliceDurationMs);
  refuseInstalling(block);
  const ReadView live = liveView(task->series);
  task->owned = std::make_unique<OwnedView>(*this, live);
  for (uint32_t i = 0; i < task->request.count; i++) {
    const uint64_t id = loadU64BigEndian(task->request.items + i * 8);
    copyWanted(*task->owned, live, task->series, sliceOf(id), id);
    // What is copied is part of the answer.
    if (task->owned->copiedBytes() > kMostCopiedBytes) throwTooLong(i + 1, task->request.count);
  }
  return task;
}

void Engine::peek(uint16_t block, std::string_view request, Sink& out) {
  const PeekRequest parsed = parsePeek(request);
  if (answerKnown(requests_, block, parsed, out)) return;
  refuseInstalling(block);
  const SeriesRef series = seriesOf(parsed.series, block);
  const ReadView view = liveView(series);
  const Hash128 name = digestName(view.digestKey, series.name);
  writePeekHead(parsed, out);
  Reader reader(parsed.rest, "a write request");
  for (uint32_t left = parsed.operations; left > 0; left--) {
    const uint64_t id = nextPeekId(reader);
    writeOldRecord(readOldRecord(*store_, view, series, name, sliceOf(id), id, key_, row_), out);
  }
}

std::unique_ptr<Task> Engine::peekTask(uint16_t block, std::string_view request) {
  auto task = std::make_unique<PeekTask>(request, block, versions_.key(), config_.sliceDurationMs);
  Sink known(task->result);
  if (answerKnown(requests_, block, task->request, known)) return task;
  refuseInstalling(block);
  const ReadView live = liveView(task->series);
  task->owned = std::make_unique<OwnedView>(*this, live);
  task->lookAtActive(live);
  return task;
}

void Engine::pageVersions(uint16_t block, std::string_view request, Sink& out) {
  const IdsRequest parsed = parsePageVersions(request);
  refuseInstalling(block);
  const SeriesRef series = seriesOf(parsed.series, block);
  const ReadView view = liveView(series);
  ReadSteps steps(*this, config_.readSteps);
  out.u48(view.appliedIndex);
  for (uint32_t i = 0; i < parsed.count; i++) {
    const uint64_t slice = loadU48(parsed.items + i * 6);
    uint64_t version = 0;
    if (!versions_.find(series, slice, version) || version > view.appliedIndex) {
      if (steps.spent()) throw NeedsIo();
      steps.take(1);
      PageHeader header;
      version = readPageHeader(*store_, view, series, slice, key_, row_, header) ? header.version : 0;
      versions_.put(series, slice, version);
    }
    out.u48(version);
  }
}

// Reads every header from its snapshot; the cache is filled when it finishes, unless the block moved on meanwhile.
class PageVersionsTask final : public Task {
 public:
  PageVersionsTask(Engine& engine, std::string_view bytes, uint16_t block)
      : engine_(engine),
        bytes_(bytes),
        request_(parsePageVersions(bytes_)),
        series_(engine.seriesOf(request_.series, block)),
        generation_(engine.versions_.generation(block)) {
    engine.refuseInstalling(block);
    const ReadView live = engine.liveView(series_);
    owned_ = std::make_unique<OwnedView>(engine, live);
    for (uint32_t i = 0; i < request_.count && live.active != nullptr; i++) {
      if (const Page* page = C0::findPage(*live.active, sliceAt(i))) owned_->copyPage(series_, *page);
    }
  }

  void run() override {
    std::string key;
    std::string row;
    Sink out(result, kMostAnswerBytes);
    out.u48(owned_->view.appliedIndex);
    for (uint32_t i = 0; i < request_.count; i++) {
      PageHeader header;
      out.u48(readPageHeader(*owned_->store, owned_->view, series_, sliceAt(i), key, row, header) ? header.version : 0);
    }
  }

  size_t heldBytes() const override { return bytes_.size() + owned_->copiedBytes(); }

  void finish(bool failed) override {
    const bool unchanged = engine_.isUnchanged(series_.block, owned_->view.appliedIndex, generation_);
    if (!failed && unchanged) {
      for (uint32_t i = 0; i < request_.count; i++) engine_.versions_.put(series_, sliceAt(i), loadU48(result.data() + 6 + i * 6));
    }
    owned_.reset();
  }

 private:
  uint64_t sliceAt(uint32_t i) const { return loadU48(request_.items + i * 6); }

  Engine& engine_;
  const std::string bytes_;
  const IdsRequest request_;
  const SeriesRef series_;
  const uint32_t generation_;
  std::unique_ptr<OwnedView> owned_;
};

std::unique_ptr<Task> Engine::pageVersionsTask(uint16_t block, std::string_view request) {
  return std::make_unique<PageVersionsTask>(*this, request, block);
}

}  // namespace thermocline
