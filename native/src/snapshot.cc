#include "snapshot.h"

#include <algorithm>

namespace thermocline {
namespace {

// Bytes of a key before its block.
size_t headBytesOf(Family family) { return family == Family::records ? 6 : family == Family::meta ? 1 : 0; }

}  // namespace

void expectBatch(const std::vector<uint16_t>& blocks) {
  if (blocks.empty() || blocks.size() > kMostBatchBlocks) {
    throwBug("a batch of " + std::to_string(blocks.size()) + " blocks; expected 1 to " + std::to_string(kMostBatchBlocks));
  }
  for (size_t i = 1; i < blocks.size(); i++) {
    if (blocks[i] <= blocks[i - 1]) throwBug("the blocks of a batch do not ascend");
  }
}

std::string Snapshot::plan() {
  const auto meta = store_->iterate(Family::meta, snapshot_.get(), ReadTier::bulk);
  const auto pages = store_->iterate(Family::pages, snapshot_.get(), ReadTier::bulk);
  std::string list;
  Sink sink(list);
  uint64_t bytes = 0;
  std::string row;
  for (const uint16_t block : asked_) {
    if (!store_->get(Family::meta, positionKey(block), snapshot_.get(), ReadTier::bulk, row)) continue;
    bytes += kRowHeadBytes + positionKey(block).size() + row.size() + bytesOf(block, *meta, *pages);
    // The first goes however large it is: alone.
    if (!contents_.empty() && bytes > kMostBatchBytes) break;
    const Position position = decodePosition(row);
    sink.u16(block);
    sink.u48(position.index);
    sink.put(position.valueId.data(), kValueIdBytes);
    contents_.push_back({block, row});
  }
  if (contents_.empty()) phase_ = Phase::done;
  return list;
}

// What the rows of a block take in parts, answers by their weight; no more is looked at than passes the bound.
uint64_t Snapshot::bytesOf(uint16_t block, StoreIterator& meta, StoreIterator& pages) const {
  uint64_t bytes = 0;
  const std::string answers = answersPrefix(block);
  for (meta.seek(answers); bytes <= kMostBatchBytes && meta.valid() && startsWith(meta.key(), answers); meta.next()) {
    bytes += kRowHeadBytes + meta.key().size() + meta.value().size() * kAnswerWeight;
  }
  const std::string prefix = blockPrefix(block);
  for (pages.seek(prefix); bytes <= kMostBatchBytes && pages.valid() && startsWith(pages.key(), prefix); pages.next()) {
    const PageHeader page = decodePage(pages.value());
    // A record's key is longer than its page's by the id, which stands in the place of nothing, and its value by the version.
    const uint64_t perRecord = kRowHeadBytes + pages.key().size() + 8 + kRecordHeadBytes;
    bytes += kRowHeadBytes + pages.key().size() + pages.value().size() + page.count * perRecord + page.bytes;
  }
  return bytes;
}

std::string Snapshot::read(size_t maxBytes) {
  std::string part;
  if (phase_ == Phase::done) return part;
  maxBytes = std::min(maxBytes, kMostPartTargetBytes);
  Sink head(part);
  head.u8(kPartVersion);
  head.u32(sequence_++);
  head.u32(0);
  // However little is asked for, each part goes on.
  do fill(part);
  while (phase_ != Phase::done && part.size() < maxBytes);
  storeU32(&part[kPartHeadBytes - 4], static_cast<uint32_t>(part.size() - kPartHeadBytes));
  Sink sink(part);
  sink.u64(XXH3_64bits(part.data(), part.size()));
  if (part.size() > kMostPartBytes) throwBug("a snapshot part has " + std::to_string(part.size()) + " bytes");
  return part;
}

// Adds one row, or moves to the next phase.
void Snapshot::fill(std::string& payload) {
  switch (phase_) {
    case Phase::positions:
      if (nextPosition_ < contents_.size()) {
        const Content& content = contents_[nextPosition_++];
        appendRow(payload, Family::meta, positionKey(content.block), content.position);
      } else {
        phase_ = Phase::answers;
      }
      return;
    case Phase::answers:
      if (!fillFrom(Family::meta, payload)) phase_ = Phase::pages;
      return;
    case Phase::pages:
      if (!fillFrom(Family::pages, payload)) phase_ = Phase::records;
      return;
    case Phase::records:
      if (!fillFrom(Family::records, payload)) phase_ = Phase::trailer;
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

bool Snapshot::fillFrom(Family family, std::string& payload) {
  if (at_ == nullptr) {
    at_ = store_->iterate(family, snapshot_.get(), ReadTier::bulk);
    const uint16_t first = contents_.front().block;
    at_->seek(family == Family::records ? slicePrefix(0, first) : family == Family::meta ? answersPrefix(first) : blockPrefix(first));
  } else {
    at_->next();
  }
  if (!findRow(family)) {
    at_.reset();
    return false;
  }
  appendRow(payload, family, at_->key(), at_->value());
  return true;
}

// Moves on to a row of the batch, from wherever the iterator stands: what lies between two blocks of it is passed by a seek. False
// if there is none. Neighbours make one range in each slice.
bool Snapshot::findRow(Family family) {
  const size_t headBytes = headBytesOf(family);
  std::string target;
  for (;;) {
    if (!at_->valid()) return false;
    const std::string_view key = at_->key();
    if (family == Family::meta && key[0] != 'r') return false;
    if (key.size() < headBytes + 2) throwCorrupt("the engine's store holds a key that is too short");
    const uint16_t block = loadU16BigEndian(key.data() + headBytes);
    const auto in = std::lower_bound(contents_.begin(), contents_.end(), block, [](const Content& one, uint16_t wanted) { return one.block < wanted; });
    if (in != contents_.end()) {
      if (in->block == block) return true;
      target.assign(key.substr(0, headBytes));
      appendU16(target, in->block);
    } else {
      if (family != Family::records) return false;
      const uint64_t slice = loadU48BigEndian(key.data());
      if (slice >= kSliceMask) return false;
      target = slicePrefix(slice + 1, contents_.front().block);
    }
    at_->seek(target);
  }
}

void Snapshot::appendRow(std::string& payload, Family family, std::string_view key, std::string_view value) {
  if (key.size() + value.size() > kMostRowBytes) throwCorrupt("a row of " + std::to_string(value.size()) + " bytes is longer than any row may be");
  Sink sink(payload);
  sink.u8(static_cast<uint8_t>(family));
  sink.u16(static_cast<uint16_t>(key.size()));
  sink.u32(static_cast<uint32_t>(value.size()));
  sink.put(key.data(), key.size());
  sink.put(value.data(), value.size());
  rows_++;
}

}  // namespace thermocline
