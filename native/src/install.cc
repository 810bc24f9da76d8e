#include "install.h"

#include <algorithm>
#include <utility>

namespace thermocline {
namespace {

// A table of records ends at the next border of a slice beyond this: no compaction of one slice reads another's rows.
constexpr uint64_t kLongTableBytes = uint64_t{64} << 20;

// The series in a key, whose length stands at `at`.
std::string_view seriesIn(std::string_view key, size_t at, size_t bytesAfter) {
  if (key.size() < at + 2) throwCorrupt("a snapshot holds a key that is too short");
  const size_t length = loadU16BigEndian(key.data() + at);
  if (length == 0 || length > kMaxSeriesBytes || key.size() != at + 2 + length + bytesAfter) throwCorrupt("a snapshot holds a key of the wrong length");
  return key.substr(at + 2, length);
}

}  // namespace

Install::Install(std::shared_ptr<SortedStore> store, const std::vector<uint16_t>& blocks, uint64_t sliceDurationMs)
    : sliceDurationMs_(sliceDurationMs), store_(std::move(store)), ingest_(store_->ingest()) {
  expectBatch(blocks);
  contents_.resize(blocks.size());
  for (size_t i = 0; i < blocks.size(); i++) contents_[i].block = blocks[i];
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
  if (loadU64(part.data() + checked.size()) != XXH3_64bits(checked.data(), checked.size())) throwCorrupt("a snapshot part failed its checksum");
  Reader reader(checked, "a snapshot part");
  if (const uint8_t version = reader.u8(); version != kPartVersion) {
    throw EngineError(ErrorKind::error, "unsupported_version",
                      "a snapshot part has version " + std::to_string(version) + "; this program knows version " + std::to_string(kPartVersion));
  }
  const uint32_t sequence = reader.u32();
  if (sequence != sequence_ || complete_) {
    throwCorrupt("a snapshot expected its part " + std::to_string(sequence_) + ", not part " + std::to_string(sequence));
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
  }
}

void Install::addRow(uint8_t family, std::string_view key, std::string_view value) {
  if (family >= kFamilyCount) throwCorrupt("a snapshot holds a row of an unknown family");
  std::string& last = lastKeys_[family];
  if (key.empty() || key <= last) throwCorrupt("a snapshot holds rows out of order");
  rows_++;
  bytes_ += kRowHeadBytes + key.size() + value.size();
  if (contents_.size() > 1 && bytes_ > kMostBatchBytes) {
    throwCorrupt("a snapshot of " + std::to_string(contents_.size()) + " blocks has more than " + std::to_string(kMostBatchBytes) + " bytes");
  }
  switch (static_cast<Family>(family)) {
    case Family::meta:
      addMeta(key, value);
      // Answers of neighbours follow each other, as their positions do: a table that holds both would overlap every other batch's.
      if (key[0] == 'r' && !last.empty() && last[0] == 'p') ingest_->endTable(Family::meta, 0);
      break;
    case Family::pages:
      addPage(key, value);
      break;
    case Family::records:
      addRecord(key, value);
      if (!last.empty() && last.compare(0, 6, key, 0, 6) != 0) ingest_->endTable(Family::records, kLongTableBytes);
      break;
  }
  last.assign(key);
  ingest_->put(static_cast<Family>(family), key, value);
}

// The content of a block of the batch.
Install::Content& Install::contentOf(uint16_t block) {
  if (contents_[lastContent_].block == block) return contents_[lastContent_];
  const auto found =
      std::lower_bound(contents_.begin(), contents_.end(), block, [](const Content& one, uint16_t wanted) { return one.block < wanted; });
  if (found == contents_.end() || found->block != block) throwCorrupt("a snapshot holds a row of another block: " + std::to_string(block));
  lastContent_ = static_cast<size_t>(found - contents_.begin());
  return *found;
}

// As `contentOf`, of a block whose position has come.
Install::Content& Install::positioned(uint16_t block) {
  Content& content = contentOf(block);
  if (!content.hasPosition) throwCorrupt("a snapshot holds rows of block " + std::to_string(block) + " before its position");
  return content;
}

void Install::addMeta(std::string_view key, std::string_view value) {
  const bool isPosition = key.size() == 3 && key[0] == 'p';
  if (!isPosition && (key.size() != 9 || key[0] != 'r')) throwCorrupt("a snapshot holds a row that belongs to no block");
  const uint16_t block = loadU16BigEndian(key.data() + 1);
  if (isPosition) {
    addPosition(contentOf(block), value);
  } else {
    addAnswers(positioned(block), key, value);
  }
}

void Install::addPosition(Content& content, std::string_view value) {
  content.position = decodePosition(value);
  content.hasPosition = true;
  content.digest += horizonElement(content.position.digestKey, content.position.horizon);
}

void Install::addAnswers(Content& content, std::string_view key, std::string_view value) {
  if (value.empty() || value.size() % kAnswerRowBytes != 0 || value.size() > kMostRowAnswers * kAnswerRowBytes) {
    throwCorrupt("a snapshot holds a row of answers of " + std::to_string(value.size()) + " bytes");
  }
  const Position& position = content.position;
  uint64_t before = loadU48BigEndian(key.data() + 3);
  if (decodeAnswer(value.data()).index != before || before <= content.lastAnswerIndex) throwCorrupt("a snapshot holds answers under another index");
  for (size_t at = 0; at < value.size(); at += kAnswerRowBytes) {
    const Answer answer = decodeAnswer(value.data() + at);
    if (answer.index < before || answer.index > position.index) throwCorrupt("a snapshot holds answers out of order");
    before = answer.index;
    if (answer.index >= position.horizon) {
      content.digest += answerElement(position.digestKey, answer.requestId, answer.index, answer.code, answer.detail);
    }
  }
  content.lastAnswerIndex = before;
  content.answerRows.emplace_back(value);
}

const Hash128& Install::digestNameOf(const Content& content, std::string_view series) {
  if (lastSeries_ != series || lastSeriesBlock_ != content.block || lastSeries_.empty()) {
    lastSeries_.assign(series);
    lastSeriesBlock_ = content.block;
    lastName_ = digestName(content.position.digestKey, series);
  }
  return lastName_;
}

void Install::addPage(std::string_view key, std::string_view value) {
  const std::string_view series = seriesIn(key, 2, 6);
  Content& content = positioned(loadU16BigEndian(key.data()));
  const PageHeader page = decodePage(value);
  const uint64_t slice = sliceOfPageKey(key);
  const bool isPossible = page.count > 0 && page.floor > 0 && page.floor <= page.version && page.version <= content.position.index;
  if (slice == kDirectorySlice || !isPossible) throwCorrupt("a snapshot holds a page header that no page has");
  content.digest += pageElement(content.position.digestKey, digestNameOf(content, series), slice, page);
}

void Install::addRecord(std::string_view key, std::string_view value) {
  const std::string_view series = seriesIn(key, 8, 8);
  Content& content = positioned(loadU16BigEndian(key.data() + 6));
  const std::string_view bytes = recordValue(value);
  const uint64_t version = loadU48(value.data());
  const uint64_t id = loadU64BigEndian(key.data() + key.size() - 8);
  const bool isPossible = version > 0 && version <= content.position.index && bytes.size() <= kMaxValueBytes;
  if (!isPossible || (id >> 16) / sliceDurationMs_ != loadU48BigEndian(key.data())) throwCorrupt("a snapshot holds a record that no page has");
  content.digest += recordElement(content.position.digestKey, digestNameOf(content, series), id, version, bytes);
}

void Install::verify() const {
  if (!complete_) throwCorrupt("a snapshot ended early");
  for (const Content& content : contents_) {
    if (!content.hasPosition) throwCorrupt("a snapshot lacks block " + std::to_string(content.block));
    if (content.digest != content.position.digest) throwCorrupt("a snapshot of block " + std::to_string(content.block) + " does not add up to its digest");
  }
}

void Install::prepare() {
  verify();
  std::vector<std::pair<uint64_t, uint16_t>> slices;
  const auto pages = store_->iterate(Family::pages, nullptr, ReadTier::bulk);
  for (const Content& content : contents_) {
    const std::string prefix = blockPrefix(content.block);
    const size_t first = slices.size();
    for (pages->seek(prefix); pages->valid() && startsWith(pages->key(), prefix); pages->next()) {
      slices.emplace_back(sliceOfPageKey(pages->key()), content.block);
      // A block's slices are few beside its pages: the list stays near its distinct size.
      if (slices.size() - first < 4096 || slices.size() != slices.capacity()) continue;
      std::sort(slices.begin() + static_cast<ptrdiff_t>(first), slices.end());
      slices.erase(std::unique(slices.begin() + static_cast<ptrdiff_t>(first), slices.end()), slices.end());
    }
    if (slices.size() > first) ingest_->removeRange(Family::pages, prefix, afterPrefix(prefix));
    const std::string answers = answersPrefix(content.block);
    ingest_->removeRange(Family::meta, answers, afterPrefix(answers));
  }
  std::sort(slices.begin(), slices.end());
  slices.erase(std::unique(slices.begin(), slices.end()), slices.end());
  for (const auto& [slice, block] : slices) {
    const std::string prefix = slicePrefix(slice, block);
    ingest_->removeRange(Family::records, prefix, afterPrefix(prefix));
  }
  ingest_->prepare();
  prepared_ = true;
}

void Install::commit() { ingest_->commit(); }

}  // namespace thermocline
