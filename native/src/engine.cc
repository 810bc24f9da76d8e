#include "engine.h"

#include "install.h"

namespace thermocline {
namespace {

// Blocks that one look for stale answers goes through.
constexpr uint32_t kMostSweptBlocks = 4096;

}  // namespace

Engine::Engine(const EngineConfig& config, std::shared_ptr<SortedStore> store)
    : config_(config),
      store_(std::move(store)),
      // From calloc: half a megabyte that costs no page until a block is used.
      blocks_(static_cast<BlockState**>(calloc(65536, sizeof(BlockState*))), free),
      versions_(config.versionCachePath, config.versionCacheBytes, config.incarnation, config.hashKey ? *config.hashKey : randomHashKey()),
      requests_(versions_.key()),
      active_(std::make_shared<C0>()),
      turnSteps_(config.readSteps * kTurnReads) {
  if (blocks_ == nullptr) throw std::bad_alloc();
  load();
}

Engine::~Engine() {
  for (BlockState* state : known_) delete state;
}

BlockState& Engine::blockState(uint16_t block) {
  if (BlockState* state = blocks_[block]) return *state;
  auto state = std::make_unique<BlockState>();
  state->block = block;
  known_.push_back(state.get());
  blocks_[block] = state.release();
  return *blocks_[block];
}

BlockLog& Engine::logOf(BlockState& state) {
  if (state.logRotation != rotation_) {
    state.log = &active_->addLog(state.block);
    state.logRotation = rotation_;
  }
  state.log->dropped = false;
  if (state.log->digestKey != state.position.digestKey) C0::rekey(*state.log, state.position.digestKey);
  return *state.log;
}

// Brings back positions and request tables as of the last flush; writes the disk version of a new store.
void Engine::load() {
  std::string row;
  if (!store_->get(Family::meta, versionKey(), nullptr, ReadTier::disk, row)) {
    const auto ingest = store_->ingest();
    char version[4];
    storeU32(version, kDiskVersion);
    ingest->put(Family::meta, versionKey(), {version, 4});
    ingest->prepare();
    ingest->commit();
    return;
  }
  if (row.size() != 4) throwCorrupt("the disk version of " + config_.path + " is unreadable");
  if (const uint32_t version = loadU32(row.data()); version != kDiskVersion) {
    throw EngineError(ErrorKind::error, "unsupported_version",
                      "the engine's folder " + config_.path + " has disk version " + std::to_string(version) + "; this program knows version " +
                          std::to_string(kDiskVersion) + ": start it with " + (version > kDiskVersion ? "a newer one" : "the one that has written it"));
  }
  if (store_->get(Family::meta, flushKey(), nullptr, ReadTier::disk, row)) {
    if (row.size() != 8) throwCorrupt("the number of the last flush of " + config_.path + " is unreadable");
    flushNumber_ = loadU64(row.data());
  }
  const auto it = store_->iterate(Family::meta, nullptr, ReadTier::disk);
  for (it->seek("p"); it->valid() && it->key().size() == 3 && it->key()[0] == 'p'; it->next()) {
    BlockState& state = blockState(loadU16BigEndian(it->key().data() + 1));
    state.position = decodePosition(it->value());
    state.flushedIndex = state.position.index;
  }
  loadAnswers();
}

void Engine::loadAnswers() {
  const auto it = store_->iterate(Family::meta, nullptr, ReadTier::disk);
  for (it->seek("r"); it->valid() && it->key().size() == 9 && it->key()[0] == 'r'; it->next()) {
    loadAnswerRow(blockState(loadU16BigEndian(it->key().data() + 1)), it->value());
  }
}

void Engine::loadAnswerRow(BlockState& state, std::string_view row) {
  if (row.empty() || row.size() % kAnswerRowBytes != 0) throwCorrupt("a row of the request table on disk is cut off");
  AnswerRowRange range{decodeAnswer(row.data()).index, 0};
  for (size_t at = 0; at < row.size(); at += kAnswerRowBytes) {
    const Answer answer = decodeAnswer(row.data() + at);
    range.lastIndex = answer.index;
    if (answer.index >= state.position.horizon) requests_.add(state.block, state.answers, answer);
  }
  state.answerRows.push_back(range);
}

void Engine::refuseInstalling(uint16_t block) const {
  const BlockState* state = blocks_[block];
  if (state == nullptr || !state->installing) return;
  throw EngineError(ErrorKind::error, "unavailable",
                    "block " + std::to_string(block) + " is being replaced by a snapshot from a peer; try another replica");
}

std::shared_ptr<const StoreSnapshot> Engine::stableSnapshot() const {
  return beforeIngest_ != nullptr ? beforeIngest_ : store_->snapshot();
}

void Engine::beginIngest() {
  if (poisoned_) throwBug("an earlier write to the engine failed; nothing can be written until the process restarts");
  if (beforeIngest_ != nullptr) throwBug("another flush or install is under way");
  beforeIngest_ = store_->snapshot();
}

void Engine::endIngest(bool failed) {
  beforeIngest_.reset();
  store_->dropIterators();
  if (failed) poisoned_ = true;
}

uint64_t Engine::proposeHorizon(uint16_t block, uint32_t maxAnswers, uint64_t beforeMs) const {
  const BlockState* state = blocks_[block];
  return state == nullptr ? 0 : requests_.proposeHorizon(state->answers, state->position.horizon, maxAnswers, sinceFirst(beforeMs));
}

void Engine::noteTime(uint64_t nowMs) {
  if (!firstMs_) firstMs_ = nowMs;
  requests_.setNow(sinceFirst(nowMs));
}

uint32_t Engine::staleBlocks(uint64_t beforeMs, uint32_t& at, uint32_t* out, uint32_t capacity) const {
  const uint64_t before = sinceFirst(beforeMs);
  uint32_t count = 0;
  for (uint32_t looked = 0; looked < kMostSweptBlocks && count < capacity && at < known_.size(); looked++, at++) {
    if (requests_.hasOlder(known_[at]->answers, before)) out[count++] = known_[at]->block;
  }
  if (at >= known_.size()) at = 0;
  return count;
}

void Engine::figures(const std::function<void(const std::string&, double)>& add) {
  add("blocks", static_cast<double>(known_.size()));
  add("activeBytes", static_cast<double>(active_->bytes()));
  add("activeRecords", static_cast<double>(active_->records()));
  add("frozenBytes", frozen_ == nullptr ? 0 : static_cast<double>(frozen_->bytes()));
  double recentBytes = 0;
  for (const auto& recent : recent_) recentBytes += recent == nullptr ? 0 : static_cast<double>(recent->bytes());
  add("recentHeaderBytes", recentBytes);
  add("requestTableAnswers", static_cast<double>(requests_.count()));
  add("requestTableBytes", static_cast<double>(requests_.bytes()));
  add("versionCacheBytes", static_cast<double>(versions_.bytes()));
  add("versionCacheWarm", versions_.warm() ? 1 : 0);
  add("versionCacheHits", static_cast<double>(versions_.hits()));
  add("versionCacheMisses", static_cast<double>(versions_.misses()));
  add("cachedReads", static_cast<double>(cachedReads_));
  add("needsIo", static_cast<double>(needsIo_));
  add("flushes", static_cast<double>(flushes_));
  add("appliedEntries", static_cast<double>(appliedEntries_));
  store_->figures(add);
}

}  // namespace thermocline
