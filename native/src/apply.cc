// Apply: what protocol/src/entry.ts says, in two passes over a batch. The first decodes everything and checks that each
// entry is its block's next one, so that a malformed batch changes nothing. An entry that cannot be applied, for its form or
// because it contradicts what this replica holds, ends the batch there: the entries before it are applied, and its block is
// *broken*, which refuses all further entries until a snapshot replaces the block.
#include "engine.h"
#include "entry.h"

namespace thermocline {
namespace {

constexpr uint8_t kPut = 1;
constexpr uint8_t kDelete = 2;
constexpr uint8_t kExpired = 7;
constexpr uint8_t kBadStamp = 19;
constexpr uint8_t kNoDetail[kDetailBytes] = {};

// The entry names an old record that this replica does not hold: it differs from the proposer's.
struct Contradiction {
  std::string what;
};

void writeAnswer(Sink* answers, uint8_t outcome, uint64_t index, const uint8_t* detail) {
  if (answers == nullptr) return;
  uint8_t bytes[kAnswerBytes];
  bytes[0] = outcome;
  storeU48(bytes + 1, index);
  memcpy(bytes + 7, detail, kDetailBytes);
  answers->put(bytes, sizeof bytes);
}

struct BatchItem {
  uint16_t block;
  uint64_t index;
  const uint8_t* valueId;
  bool wantsAnswers;
  std::string_view entry;
};

BatchItem readItem(Reader& reader) {
  BatchItem item;
  item.block = reader.u16();
  item.index = reader.u48();
  item.valueId = reader.take(kValueIdBytes);
  item.wantsAnswers = reader.u8() != 0;
  item.entry = reader.bytes(reader.u32());
  return item;
}

}  // namespace

int64_t Engine::apply(const uint8_t* batch, size_t length, uint8_t* answers, size_t answersCapacity) {
  refusal_.clear();
  uint32_t sound = 0;
  const size_t wanted = checkBatch(batch, length, sound) * kAnswerBytes;
  if (wanted > answersCapacity) {
    throw EngineError(ErrorKind::range, "ERR_OUT_OF_RANGE",
                      "the answers of this batch take " + std::to_string(wanted) + " bytes, the buffer has " + std::to_string(answersCapacity));
  }
  Sink sink(answers, answersCapacity);
  Reader reader(batch, length, "a batch of entries");
  const uint32_t items = reader.u32();
  for (uint32_t at = 0; at < items; at++) {
    const BatchItem item = readItem(reader);
    BlockState& state = *blocks_[item.block];
    if (at == sound) {
      breakBlock(state);
      return -1 - static_cast<int64_t>(at);
    }
    try {
      applyEntry(state, item.index, item.valueId, item.entry, item.wantsAnswers ? &sink : nullptr);
    } catch (const Contradiction& contradiction) {
      // Half of the entry may be applied: nothing of the block can be trusted any more, and no other block is concerned.
      breakBlock(state);
      refusal_ = contradiction.what;
      return -1 - static_cast<int64_t>(at);
    } catch (...) {
      poisoned_ = true;
      throw;
    }
  }
  return static_cast<int64_t>(sink.length());
}

// What memory holds of the block since the last flush leaves it: a flush would put half an entry on disk, and call it whole.
void Engine::breakBlock(BlockState& state) {
  if (state.broken) return;
  state.broken = true;
  versions_.raiseGeneration(state.block);
  if (state.logRotation == rotation_) active_->drop(*state.log);
}

// Returns how many answers the sound entries want; `sound` is how many entries at the front can be applied as far as their
// form tells. Throws if the batch itself is not as it must be: a bug of the caller.
size_t Engine::checkBatch(const uint8_t* batch, size_t length, uint32_t& sound) {
  if (poisoned_) throwBug("an earlier write to the engine failed; nothing can be applied until the process restarts");
  batch_++;
  size_t answers = 0;
  Reader reader(batch, length, "a batch of entries");
  const uint32_t items = reader.u32();
  sound = items;
  for (uint32_t at = 0; at < items; at++) {
    const BatchItem item = readItem(reader);
    BlockState& state = blockState(item.block);
    if (state.installing) throwBug("block " + std::to_string(item.block) + " applies an entry while a snapshot is installed");
    if (state.checkedBatch != batch_) {
      state.checkedBatch = batch_;
      state.checkedNext = state.position.index + 1;
    }
    if (sound < items) continue;
    if (state.broken) {
      refusal_ = "an earlier entry of the block could not be applied";
      sound = at;
      continue;
    }
    if (item.index != state.checkedNext) {
      throw EngineError(ErrorKind::range, "internal",
                        "block " + std::to_string(item.block) + " was given entry " + std::to_string(item.index) + ", its next one is " +
                            std::to_string(state.checkedNext));
    }
    state.checkedNext++;
    try {
      const size_t requests = checkEntryForm(item.entry);
      if (item.wantsAnswers) answers += requests;
    } catch (const EngineError& error) {
      refusal_ = error.what();
      sound = at;
    }
  }
  reader.finish();
  return answers;
}

void Engine::applyEntry(BlockState& state, uint64_t index, const uint8_t* valueId, std::string_view bytes, Sink* answers) {
  Reader entry(bytes, "an entry");
  const EntryHead head = readEntryHead(entry);
  const uint64_t horizon = head.horizon;
  Position& position = state.position;
  // Of the block's first entry: nothing has gone into the digest before it.
  if (head.key != nullptr) position.digestKey = {loadU64(head.key), loadU64(head.key + 8)};
  BlockLog& log = logOf(state);
  position.index = index;
  memcpy(position.valueId.data(), valueId, kValueIdBytes);
  if (horizon > position.horizon) {
    position.digest += horizonElement(position.digestKey, horizon) - horizonElement(position.digestKey, position.horizon);
    position.digest -= requests_.dropBelow(state.answers, horizon, position.digestKey);
    position.horizon = horizon;
  }
  for (uint32_t left = head.requests; left > 0; left--) applyRequest(state, log, index, entry, answers);
  appliedEntries_++;
}

void Engine::applyRequest(BlockState& state, BlockLog& log, uint64_t index, Reader& entry, Sink* answers) {
  const uint8_t* requestId = entry.take(kRequestIdBytes);
  const uint64_t stamp = entry.u48();
  const uint8_t outcome = entry.u8();
  const uint8_t* detail = entry.take(kDetailBytes);
  const std::string_view series = entry.bytes(entry.u16());
  const uint32_t operations = entry.u16();

  Answer first;
  bool applies = false;
  if (stamp >= index) {
    writeAnswer(answers, kBadStamp, index, kNoDetail);
  } else if (requests_.find(state.block, requestId, first)) {
    writeAnswer(answers, first.code, first.index, first.detail);
  } else if (stamp < state.position.horizon) {
    writeAnswer(answers, kExpired, index, kNoDetail);
  } else {
    applies = true;
  }
  if (!applies) {
    for (uint32_t left = operations; left > 0; left--) {
      entry.take(22);
      entry.take(entry.u32());
    }
    return;
  }
  if (operations > 0) applyOperations(state, log, index, series, entry, operations);
  const Answer answer{requestId, index, outcome, detail};
  requests_.add(state.block, state.answers, answer);
  active_->addAnswer(log, answer);
  state.position.digest += answerElement(state.position.digestKey, requestId, index, outcome, detail);
  writeAnswer(answers, outcome, index, detail);
}

void Engine::applyOperations(BlockState& state, BlockLog& log, uint64_t index, std::string_view name, Reader& entry, uint32_t count) {
  const SeriesRef series = seriesOf(name, state.block);
  Series& into = active_->findOrAdd(series, log);
  Page* page = nullptr;
  uint64_t cachedSlice = UINT64_MAX;
  uint64_t cachedVersion = 0;
  for (; count > 0; count--) {
    const uint8_t kind = entry.u8();
    const uint64_t id = entry.id();
    const bool oldExists = entry.u8() != 0;
    const uint32_t oldSize = entry.u32();
    const uint64_t oldHash = entry.u64();
    const std::string_view value = entry.bytes(entry.u32());
    if (config_.verifyOldRecords) verifyOld(series, id, oldExists, oldSize, oldHash);
    if (kind == kDelete && !oldExists) continue;
    const uint64_t slice = sliceOf(id);
    if (page == nullptr || page->slice != slice) page = &pageForApply(series, into, slice);
    if (oldExists && (page->header.count == 0 || page->header.bytes < oldSize)) {
      throw Contradiction{"the entry replaces a record that its page does not hold here: this replica differs from the proposer's"};
    }
    const bool goes = kind == kDelete && page->header.count == 1;
    if (goes || !page->exists) versions_.put(series, kDirectorySlice, index);
    const uint64_t version = goes ? 0 : index;
    if (slice != cachedSlice || version != cachedVersion) {
      versions_.put(series, slice, version);
      cachedSlice = slice;
      cachedVersion = version;
    }
    const uint64_t before = page->element;
    if (kind == kPut) {
      applyPut(state, into, *page, index, id, oldSize, oldExists, oldHash, value);
    } else {
      applyRemoval(state, *page, index, id, oldSize, oldHash);
    }
    page->element = page->exists ? pageElement(state.position.digestKey, into.digestName, slice, page->header) : 0;
    state.position.digest += page->element - before;
  }
}

void Engine::applyPut(BlockState& state, const Series& series, Page& page, uint64_t index, uint64_t id, uint32_t oldSize, bool oldExists,
                      uint64_t oldHash, std::string_view value) {
  PageHeader& header = page.header;
  if (!page.exists) {
    page.exists = true;
    header = {};
    header.floor = index;
  }
  header.version = index;
  header.bytes += value.size();
  if (oldExists) {
    header.bytes -= oldSize;
    state.position.digest -= oldHash;
  } else {
    header.count++;
  }
  state.position.digest += recordElement(state.position.digestKey, series.digestName, id, index, value);
  active_->put(page, id, index, value);
}

void Engine::applyRemoval(BlockState& state, Page& page, uint64_t index, uint64_t id, uint32_t oldSize, uint64_t oldHash) {
  PageHeader& header = page.header;
  header.version = index;
  header.floor = index;
  header.bytes -= oldSize;
  header.count--;
  if (header.count == 0) page.exists = false;
  state.position.digest -= oldHash;
  active_->remove(page, id, index);
}

bool Engine::recentHeader(const SeriesRef& series, uint64_t slice, PageHeader& header, bool& exists) const {
  for (const auto& recent : recent_) {
    if (recent != nullptr && recent->find(series, slice, header, exists)) return true;
  }
  return false;
}

// The page in the active component; its header is read from below when it enters.
Page& Engine::pageForApply(const SeriesRef& series, Series& into, uint64_t slice) {
  if (Page* page = C0::findPage(into, slice)) return *page;
  ReadView below;
  below.frozen = frozenSeries(series);
  PageHeader header;
  bool exists = false;
  const bool frozen = below.frozen != nullptr && C0::findPage(*below.frozen, slice) != nullptr;
  if (frozen || !recentHeader(series, slice, header, exists)) {
    exists = readPageHeader(*store_, below, series, slice, key_, row_, header);
  }
  return active_->addPage(into, slice, exists ? &header : nullptr, blocks_[series.block]->position.digestKey);
}

void Engine::verifyOld(const SeriesRef& series, uint64_t id, bool exists, uint32_t size, uint64_t hash) {
  ReadView view = liveView(series);
  view.tier = ReadTier::disk;
  uint64_t version;
  std::string_view value;
  const bool found = readRecord(*store_, view, series, sliceOf(id), id, key_, row_, version, value);
  const Hash128 name = digestName(view.digestKey, series.name);
  if (found == exists && (!found || (value.size() == size && recordElement(view.digestKey, name, id, version, value) == hash))) return;
  throw Contradiction{"the entry ships another old record than the one stored, in series " + std::string(series.name)};
}

}  // namespace thermocline
