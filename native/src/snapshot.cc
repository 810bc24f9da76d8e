// Snapshots: the rows of a block as of the last flush, as they stand in the store, in parts:
//
//     part  u8 version = 1 | u16 block | u32 sequence | u32 payload bytes | payload | u64 XXH3 of all before
//     row   u8 family (0 pages, 1 records, 2 meta) | u16 key bytes | u32 value bytes | key | value
//     last  u8 255 | u64 rows sent
//
// Order: position, answers, pages, then records slice by slice: ascending keys in every family, so that the receiver
// writes sorted tables as the parts arrive. It adds up the digest of what it gets; only if everything came and the sum
// is the one in the position does the new content replace the old, in one ingest that removes the block's old ranges.
#include <algorithm>

#include "install.h"

namespace thermocline {
namespace {

constexpr uint8_t kPartVersion = 1;
constexpr size_t kPartHeadBytes = 11;
constexpr size_t kChecksumBytes = 8;
constexpr uint8_t kTrailer = 255;

std::string blockPrefix(uint16_t block) {
  std::string prefix;
  appendU16(prefix, block);
  return prefix;
}

std::string slicePrefix(uint64_t slice, uint16_t block) {
  std::string prefix;
  appendU48(prefix, slice);
  appendU16(prefix, block);
  return prefix;
}

void appendRow(std::string& payload, Family family, std::string_view key, std::string_view value) {
  if (key.size() + value.size() > kMostRowBytes) throwCorrupt("a row of " + std::to_string(value.size()) + " bytes is longer than any row may be");
  Sink sink(payload);
  sink.u8(static_cast<uint8_t>(family));
  sink.u16(static_cast<uint16_t>(key.size()));
  sink.u32(static_cast<uint32_t>(value.size()));
  sink.put(key.data(), key.size());
  sink.put(value.data(), value.size());
}

// The series in a key, whose length stands at `at`.
std::string_view seriesIn(std::string_view key, size_t at, size_t bytesAfter) {
  if (key.size() < at + 2) throwCorrupt("a snapshot holds a key that is too short");
  const size_t length = loadU16BigEndian(key.data() + at);
  if (length == 0 || length > kMaxSeriesBytes || key.size() != at + 2 + length + bytesAfter) throwCorrupt("a snapshot holds a key of the wrong length");
  return key.substr(at + 2, length);
}

}  // namespace

std::string Snapshot::read(size_t maxBytes) {
  std::string part;
  if (phase_ == Phase::done) return part;
  maxBytes = std::min(maxBytes, kMostPartTargetBytes);
  Sink head(part);
  head.u8(kPartVersion);
  head.u16(block_);
  head.u32(sequence_++);
  head.u32(0);
  // However little is asked for, each part goes on.
  do fill(part);
  while (phase_ != Phase::done && part.size() < maxBytes);
  storeU32(&part[7], static_cast<uint32_t>(part.size() - kPartHeadBytes));
  Sink sink(part);
  sink.u64(XXH3_64bits(part.data(), part.size()));
  if (part.size() > kMostPartBytes) throwBug("a snapshot part has " + std::to_string(part.size()) + " bytes");
  return part;
}

// Adds one row, or moves to the next phase.
void Snapshot::fill(std::string& payload) {
  switch (phase_) {
    case Phase::position:
      appendRow(payload, Family::meta, positionKey(block_), encodePosition(position));
      rows_++;
      phase_ = Phase::answers;
      return;
    case Phase::answers:
      if (!fillFrom(Family::meta, answersPrefix(block_), payload)) phase_ = Phase::pages;
      return;
    case Phase::pages:
      if (fillFrom(Family::pages, blockPrefix(block_), payload)) return;
      std::sort(slices_.begin(), slices_.end());
      slices_.erase(std::unique(slices_.begin(), slices_.end()), slices_.end());
      phase_ = Phase::records;
      return;
    case Phase::records:
      if (slice_ == slices_.size()) {
        phase_ = Phase::trailer;
      } else {
        if (at_ == nullptr) prefix_ = slicePrefix(slices_[slice_], block_);
        if (!fillFrom(Family::records, prefix_, payload)) slice_++;
      }
      return;
    case Phase::trailer: {
      Sink sink(payload);
      sink.u8(kTrailer);
      sink.u64(rows_);
      phase_ = Phase::done;
      return;
    }
    case Phase::done:
      return;
  }
}

bool Snapshot::fillFrom(Family family, const std::string& prefix, std::string& payload) {
  if (at_ == nullptr) {
    at_ = store_->iterate(family, snapshot_.get(), ReadTier::bulk);
    at_->seek(prefix);
  } else {
    at_->next();
  }
  if (!at_->valid() || !startsWith(at_->key(), prefix)) {
    at_.reset();
    return false;
  }
  if (family == Family::pages) {
    const uint64_t slice = sliceOfPageKey(at_->key());
    // A block's slices are few beside its pages: keep the list near its distinct size.
    if (slices_.size() > 4096 && slices_.size() == slices_.capacity()) {
      std::sort(slices_.begin(), slices_.end());
      slices_.erase(std::unique(slices_.begin(), slices_.end()), slices_.end());
    }
    slices_.push_back(slice);
  }
  appendRow(payload, family, at_->key(), at_->value());
  rows_++;
  return true;
}

void Install::add(std::string_view part) {
  if (part.empty()) {
    prepare();
    return;
  }
  try {
    addPart(part);
  } catch (const EngineError& error) {
    // What is cut off came so from the peer.
    if (error.kind == ErrorKind::range) throwCorrupt(error.what());
    throw;
  }
}

void Install::addPart(std::string_view part) {
  if (part.size() > kMostPartBytes) {
    throwCorrupt("a snapshot part of " + std::to_string(part.size()) + " bytes; expected at most " + std::to_string(kMostPartBytes));
  }
  if (part.size() < kPartHeadBytes + kChecksumBytes) throwCorrupt("a snapshot part is too short");
  const std::string_view checked = part.substr(0, part.size() - kChecksumBytes);
  if (loadU64(part.data() + checked.size()) != XXH3_64bits(checked.data(), checked.size())) {
    throwCorrupt("a snapshot part of block " + std::to_string(block_) + " failed its checksum");
  }
  Reader reader(checked, "a snapshot part");
  if (const uint8_t version = reader.u8(); version != kPartVersion) {
    throw EngineError(ErrorKind::error, "unsupported_version",
                      "a snapshot part has version " + std::to_string(version) + "; this program knows version " + std::to_string(kPartVersion));
  }
  const uint16_t block = reader.u16();
  const uint32_t sequence = reader.u32();
  if (block != block_ || sequence != sequence_ || complete_) {
    throwCorrupt("a snapshot of block " + std::to_string(block_) + " expected its part " + std::to_string(sequence_) + ", not part " +
                 std::to_string(sequence) + " of block " + std::to_string(block));
  }
  sequence_++;
  if (reader.u32() != reader.left()) throwCorrupt("a snapshot part has the wrong length");
  while (reader.left() > 0) {
    const uint8_t family = reader.u8();
    if (family == kTrailer) {
      if (reader.u64() != rows_) throwCorrupt("a snapshot lacks rows");
      reader.finish();
      complete_ = true;
      return;
    }
    const uint16_t keyBytes = reader.u16();
    const uint32_t valueBytes = reader.u32();
    const std::string_view key = reader.bytes(keyBytes);
    addRow(family, key, reader.bytes(valueBytes));
    rows_++;
  }
}

void Install::addRow(uint8_t family, std::string_view key, std::string_view value) {
  if (family >= kFamilyCount) throwCorrupt("a snapshot holds a row of an unknown family");
  std::string& last = lastKeys_[family];
  if (key.empty() || key <= last) throwCorrupt("a snapshot holds rows out of order");
  switch (static_cast<Family>(family)) {
    case Family::meta:
      addMeta(key, value);
      break;
    case Family::pages:
      addPage(key, value);
      break;
    case Family::records:
      addRecord(key, value);
      break;
  }
  last.assign(key);
  ingest_->put(static_cast<Family>(family), key, value);
}

void Install::addMeta(std::string_view key, std::string_view value) {
  if (key == positionKey(block_)) {
    if (hasPosition_) throwCorrupt("a snapshot has a second position");
    position_ = decodePosition(value);
    hasPosition_ = true;
    digest_ += horizonElement(position_.digestKey, position_.horizon);
    return;
  }
  if (!hasPosition_ || key.size() != 9 || !startsWith(key, answersPrefix(block_))) throwCorrupt("a snapshot holds a row of another block");
  if (value.empty() || value.size() % kAnswerRowBytes != 0 || value.size() > kMostRowAnswers * kAnswerRowBytes) {
    throwCorrupt("a snapshot holds a row of answers of " + std::to_string(value.size()) + " bytes");
  }
  uint64_t before = loadU48BigEndian(key.data() + 3);
  if (decodeAnswer(value.data()).index != before || before <= lastAnswerIndex_) throwCorrupt("a snapshot holds answers under another index");
  for (size_t at = 0; at < value.size(); at += kAnswerRowBytes) {
    const Answer answer = decodeAnswer(value.data() + at);
    if (answer.index < before || answer.index > position_.index) throwCorrupt("a snapshot holds answers out of order");
    before = answer.index;
    if (answer.index >= position_.horizon) digest_ += answerElement(position_.digestKey, answer.requestId, answer.index, answer.code, answer.detail);
  }
  lastAnswerIndex_ = before;
  answerRows_.emplace_back(value);
}

const Hash128& Install::digestNameOf(std::string_view series) {
  if (lastSeries_ != series || lastSeries_.empty()) {
    lastSeries_.assign(series);
    lastName_ = digestName(position_.digestKey, series);
  }
  return lastName_;
}

void Install::addPage(std::string_view key, std::string_view value) {
  const std::string_view series = seriesIn(key, 2, 6);
  if (loadU16BigEndian(key.data()) != block_) throwCorrupt("a snapshot holds a row of another block");
  const PageHeader page = decodePage(value);
  const uint64_t slice = sliceOfPageKey(key);
  const bool isPossible = page.count > 0 && page.floor > 0 && page.floor <= page.version && page.version <= position_.index;
  if (!hasPosition_ || slice == kDirectorySlice || !isPossible) throwCorrupt("a snapshot holds a page header that no page has");
  digest_ += pageElement(position_.digestKey, digestNameOf(series), slice, page);
}

void Install::addRecord(std::string_view key, std::string_view value) {
  const std::string_view series = seriesIn(key, 8, 8);
  if (loadU16BigEndian(key.data() + 6) != block_) throwCorrupt("a snapshot holds a row of another block");
  const std::string_view content = recordValue(value);
  const uint64_t version = loadU48(value.data());
  const uint64_t id = loadU64BigEndian(key.data() + key.size() - 8);
  const bool isPossible = version > 0 && version <= position_.index && content.size() <= kMaxValueBytes;
  if (!hasPosition_ || !isPossible || (id >> 16) / sliceDurationMs_ != loadU48BigEndian(key.data())) {
    throwCorrupt("a snapshot holds a record that no page has");
  }
  digest_ += recordElement(position_.digestKey, digestNameOf(series), id, version, content);
}

void Install::verify() const {
  if (!complete_ || !hasPosition_) throwCorrupt("a snapshot of block " + std::to_string(block_) + " ended early");
  if (digest_ != position_.digest) throwCorrupt("a snapshot of block " + std::to_string(block_) + " does not add up to its digest");
}

void Install::prepare() {
  verify();
  const std::string pages = blockPrefix(block_);
  std::vector<uint64_t> slices;
  const auto it = store_->iterate(Family::pages, nullptr, ReadTier::bulk);
  for (it->seek(pages); it->valid() && startsWith(it->key(), pages); it->next()) slices.push_back(sliceOfPageKey(it->key()));
  std::sort(slices.begin(), slices.end());
  slices.erase(std::unique(slices.begin(), slices.end()), slices.end());
  for (const uint64_t slice : slices) {
    const std::string prefix = slicePrefix(slice, block_);
    ingest_->removeRange(Family::records, prefix, afterPrefix(prefix));
  }
  if (!slices.empty()) ingest_->removeRange(Family::pages, pages, afterPrefix(pages));
  ingest_->removeRange(Family::meta, answersPrefix(block_), afterPrefix(answersPrefix(block_)));
  ingest_->prepare();
  prepared_ = true;
}

void Install::commit() { ingest_->commit(); }

std::shared_ptr<Snapshot> Engine::snapshotOpen(uint16_t block) {
  std::shared_ptr<const StoreSnapshot> snapshot = stableSnapshot();
  std::string row;
  if (!store_->get(Family::meta, positionKey(block), snapshot.get(), ReadTier::disk, row)) return nullptr;
  return std::make_shared<Snapshot>(store_, std::move(snapshot), block, decodePosition(row));
}

// Runs one step of a snapshot or an install; `busy` holds off a second one.
template <typename Subject, typename Step>
class StepTask final : public Task {
 public:
  StepTask(std::shared_ptr<Subject> subject, Step step) : subject_(std::move(subject)), step_(std::move(step)) {
    if (subject_->busy) throwBug("a step of this snapshot is under way already");
    subject_->busy = true;
  }
  void run() override { step_(*subject_, result); }
  void finish(bool) override { subject_->busy = false; }

 private:
  const std::shared_ptr<Subject> subject_;
  Step step_;
};

template <typename Subject, typename Step>
std::unique_ptr<Task> stepTask(std::shared_ptr<Subject> subject, Step step) {
  return std::make_unique<StepTask<Subject, Step>>(std::move(subject), std::move(step));
}

std::unique_ptr<Task> Engine::snapshotReadTask(std::shared_ptr<Snapshot> snapshot, size_t maxBytes) {
  return stepTask(std::move(snapshot), [maxBytes](Snapshot& from, std::string& result) { result = from.read(maxBytes); });
}

void Engine::installBegin(uint16_t block) {
  BlockState& state = blockState(block);
  if (state.installing) throwBug("a snapshot of block " + std::to_string(block) + " is being installed already");
  versions_.raiseGeneration(block);
  installs_[block] = std::make_shared<Install>(store_, block, config_.sliceDurationMs);
  state.installing = true;
}

std::shared_ptr<Install> Engine::installOf(uint16_t block) const {
  const auto found = installs_.find(block);
  if (found == installs_.end()) throwBug("no snapshot of block " + std::to_string(block) + " is being installed");
  return found->second;
}

std::unique_ptr<Task> Engine::installPartTask(uint16_t block, std::string_view part) {
  return stepTask(installOf(block), [bytes = std::string(part)](Install& into, std::string&) { into.add(bytes); });
}

// The block leaves both components before the store's new content can be seen.
void Engine::dropFromMemory(BlockState& state) {
  versions_.raiseGeneration(state.block);
  for (auto& recent : recent_) recent.reset();
  if (state.logRotation == rotation_) active_->drop(*state.log);
  if (frozen_ == nullptr) return;
  state.droppedRotation = rotation_;
  for (const auto& log : frozen_->logs()) {
    if (log->block == state.block) log->dropped = true;
  }
}

class InstallEndTask final : public Task {
 public:
  InstallEndTask(Engine& engine, BlockState& state, std::shared_ptr<Install> install)
      : engine_(engine), state_(state), install_(std::move(install)) {}

  void run() override { install_->commit(); }

  void finish(bool failed) override {
    engine_.endIngest(failed);
    engine_.installs_.erase(state_.block);
    if (failed) return;
    // Whatever got into the cache while the store changed below it is not found any more.
    engine_.versions_.raiseGeneration(state_.block);
    engine_.requests_.dropBelow(state_.answers, UINT64_MAX, state_.position.digestKey);
    state_.answerRows.clear();
    state_.position = install_->position();
    state_.flushedIndex = state_.position.index;
    for (const std::string& row : install_->answerRows()) engine_.loadAnswerRow(state_, row);
    state_.installing = false;
    state_.broken = false;
  }

 private:
  Engine& engine_;
  BlockState& state_;
  const std::shared_ptr<Install> install_;
};

std::unique_ptr<Task> Engine::installEndTask(uint16_t block) {
  std::shared_ptr<Install> install = installOf(block);
  if (install->busy) throwBug("an install ends while a part of it is under way");
  if (!install->isPrepared()) throwBug("an install ends before the end of its snapshot");
  beginIngest();
  dropFromMemory(*blocks_[block]);
  return std::make_unique<InstallEndTask>(*this, *blocks_[block], std::move(install));
}

void Engine::installAbort(uint16_t block) {
  if (installs_.erase(block) > 0) blocks_[block]->installing = false;
}

}  // namespace thermocline
