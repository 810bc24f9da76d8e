// The engine behind node/src/engine/port.ts: memory components over a sorted store, one state per block, the request
// table and the version cache. It knows nothing of JavaScript; addon.cc is the glue.
//
// Threads: every method belongs to the engine's thread. What may run elsewhere is a `Task`: made and finished on the
// engine's thread, run on any. A task owns what it reads: a store snapshot, the frozen component (which never changes)
// and a private copy of the little it needs of the active one.
#pragma once

#include <optional>
#include <unordered_map>

#include "c0.h"
#include "recent_headers.h"
#include "request_table.h"
#include "steps.h"
#include "store.h"
#include "version_cache.h"

namespace thermocline {

constexpr uint64_t kMaxScanRecords = 10'000;
constexpr uint64_t kScanChunkBytes = 256 * 1024;
constexpr size_t kAnswerBytes = 15;

struct EngineConfig {
  std::string path;
  uint64_t sliceDurationMs = 0;
  uint64_t memtableBytes = 0;
  uint64_t blockCacheBytes = 0;
  std::string versionCachePath;
  uint64_t versionCacheBytes = 0;
  std::string incarnation;
  // Of the tables in memory, and of a version cache that starts empty; random where nothing is given.
  std::optional<HashKey> hashKey;
  // Tests and the simulator: compare what entries ship of old records with what is stored.
  bool verifyOldRecords = false;
  // What a read may step over, on the engine's thread and on another; tests and the simulator make it small.
  uint64_t readSteps = kReadSteps;
  uint64_t taskSteps = kTaskSteps;
};

struct BlockState {
  uint16_t block = 0;
  // From the beginning of an install to its end: nothing is applied and nothing is read.
  bool installing = false;
  // An entry could not be applied: nothing is applied to the block until an install replaces it.
  bool broken = false;
  Position position;
  // Index of the last finished flush.
  uint64_t flushedIndex = 0;
  RequestTable::List answers;
  // Rows of answers on disk, oldest first.
  std::vector<AnswerRowRange> answerRows;
  // The block's log in the active component, if `logRotation` is the current one.
  BlockLog* log = nullptr;
  uint64_t logRotation = 0;
  // The frozen component of this rotation holds nothing of the block any more.
  uint64_t droppedRotation = 0;
  // Scratch of apply's check: the index the next entry of the batch must have.
  uint64_t checkedBatch = 0;
  uint64_t checkedNext = 0;
};

// What a read looks at, newest first. `activeOwner` holds a private copy when the read runs elsewhere.
struct ReadView {
  const Series* active = nullptr;
  const Series* frozen = nullptr;
  const StoreSnapshot* snapshot = nullptr;
  ReadTier tier = ReadTier::disk;
  // Not null where the read walks.
  Steps* steps = nullptr;
  uint64_t appliedIndex = 0;
  HashKey digestKey;
  // A scan may not pass this id: the copy of the active component ends there.
  bool bounded = false;
  uint64_t boundId = 0;
};

class Engine;

class Task {
 public:
  virtual ~Task() = default;
  // On any thread.
  virtual void run() = 0;
  // On the engine's thread, after `run`; `failed` if that threw.
  virtual void finish(bool failed) { (void)failed; }
  // What it holds beside its result: its request, and copies of the active component.
  virtual size_t heldBytes() const { return 0; }
  // Bytes the promise resolves to, if any.
  std::string result;
  // What is slow to let go of; the caller drops it on another thread after `finish`.
  std::shared_ptr<const void> leftovers;
};

class Snapshot;
class Install;

class Engine {
 public:
  Engine(const EngineConfig& config, std::shared_ptr<SortedStore> store);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Blocks that ever applied something, in no order.
  const std::vector<BlockState*>& blocks() const { return known_; }
  const BlockState* findBlock(uint16_t block) const { return blocks_[block]; }

  // Bytes of answers, or −1 − the place in the batch of the entry that could not be applied: `refusal` then says why.
  int64_t apply(const uint8_t* batch, size_t length, uint8_t* answers, size_t answersCapacity);
  const std::string& refusal() const { return refusal_; }

  // Reads of a turn share a bound on what they step over, which begins anew here.
  void beginTurn() { turnSteps_ = Steps(config_.readSteps * kTurnReads); }

  // True if the last read that has steps has spent them: its twin on another thread will walk, and not wait for the disk alone.
  bool lastWalked() const { return lastWalked_; }

  // The four reads write their answer to `out`; they throw NeedsIo when the tier forbids what they need, or when they have to step over
  // too much.
  void peek(uint16_t block, std::string_view request, Sink& out);
  void get(uint16_t block, std::string_view request, Sink& out);
  void scan(uint16_t block, std::string_view request, Sink& out);
  void pageVersions(uint16_t block, std::string_view request, Sink& out);
  // Many series, each as far as its block has applied `needs` of it (a negative need: never) and memory answers; see validate.cc.
  void validate(std::string_view request, const double* needs, size_t count, Sink& out);
  std::unique_ptr<Task> validateTask(std::string_view request);
  std::unique_ptr<Task> peekTask(uint16_t block, std::string_view request);
  std::unique_ptr<Task> getTask(uint16_t block, std::string_view request);
  std::unique_ptr<Task> scanTask(uint16_t block, std::string_view request);
  std::unique_ptr<Task> pageVersionsTask(uint16_t block, std::string_view request);

  uint64_t proposeHorizon(uint16_t block, uint32_t maxAnswers, uint64_t beforeMs) const;
  // The caller's clock, which never goes back. What was there at the first call counts as applied then.
  void noteTime(uint64_t nowMs);
  // Blocks that remember an answer applied before that time: as many as fit, from the place `at` in the list of blocks on, of which it looks at
  // a bounded number. Returns how many; `at` is where to go on, 0 after the last.
  uint32_t staleBlocks(uint64_t beforeMs, uint32_t& at, uint32_t* out, uint32_t capacity) const;
  const RequestTable& requests() const { return requests_; }

  // Of the cluster’s history: a version that a cache holds from another one counts for nothing.
  void setRestoreGeneration(uint32_t generation) { restoreGeneration_ = generation; }

  bool rotationDue() const { return active_->bytes() >= config_.memtableBytes; }
  void rotate();
  // Of the last flush that is on disk; grows by one with each, over the life of the store.
  uint64_t flushNumber() const { return flushNumber_; }
  // Null if nothing is frozen.
  std::unique_ptr<Task> flushTask();

  // Of a batch: blocks in ascending order.
  std::shared_ptr<Snapshot> snapshotOpen(const std::vector<uint16_t>& blocks);
  // Results in the blocks that are in it, as (u16 block | u48 index | 28 bytes value id)*.
  static std::unique_ptr<Task> snapshotPlanTask(std::shared_ptr<Snapshot> snapshot);
  static std::unique_ptr<Task> snapshotReadTask(std::shared_ptr<Snapshot> snapshot, size_t maxBytes);

  // Returns the number of the install.
  uint32_t installBegin(const std::vector<uint16_t>& blocks);
  std::unique_ptr<Task> installPartTask(uint32_t number, std::string_view part);
  std::unique_ptr<Task> installEndTask(uint32_t number);
  std::vector<uint16_t> installBlocks(uint32_t number) const;
  void installAbort(uint32_t number);
  std::unique_ptr<Task> tidyTask();

  // For the figures: a read answered without the disk, or one that has to go there.
  void countRead(bool needsIo) { (needsIo ? needsIo_ : cachedReads_)++; }
  void figures(const std::function<void(const std::string&, double)>& add);
  SortedStore& store() { return *store_; }
  uint64_t sliceOf(uint64_t id) const { return (id >> 16) / config_.sliceDurationMs; }

 private:
  friend class FlushTask;
  friend class InstallEndTask;
  friend class PageVersionsTask;
  friend class ValidateTask;
  friend class ReadSteps;
  friend struct OwnedView;

  BlockState& blockState(uint16_t block);
  BlockLog& logOf(BlockState& state);
  void load();
  void loadAnswers();
  void loadAnswerRow(BlockState& state, std::string_view row);
  std::shared_ptr<Install> installOf(uint32_t number) const;
  void dropFromMemory(const std::vector<uint16_t>& blocks);

  void breakBlock(BlockState& state);
  size_t checkBatch(const uint8_t* batch, size_t length, uint32_t& sound);
  void applyEntry(BlockState& state, uint64_t index, const uint8_t* valueId, std::string_view entry, Sink* answers);
  void applyRequest(BlockState& state, BlockLog& log, uint64_t index, Reader& entry, Sink* answers);
  void applyOperations(BlockState& state, BlockLog& log, uint64_t index, std::string_view name, Reader& entry, uint32_t count);
  void applyPut(BlockState& state, const Series& series, Page& page, uint64_t index, uint64_t id, uint32_t oldSize, bool oldExists,
                uint64_t oldHash, std::string_view value);
  void applyRemoval(BlockState& state, Page& page, uint64_t index, uint64_t id, uint32_t oldSize, uint64_t oldHash);
  bool recentHeader(const SeriesRef& series, uint64_t slice, PageHeader& header, bool& exists) const;
  Page& pageForApply(const SeriesRef& series, Series& into, uint64_t slice);
  void verifyOld(const SeriesRef& series, uint64_t id, bool exists, uint32_t size, uint64_t hash);

  void validateItem(const SeriesRef& series, const uint8_t* held, uint32_t pages, bool sameGeneration, uint64_t applied, Steps& steps, Sink& out);

  // A cut of the store that no ingest under way can change (RocksDB counts a table in before it can be seen, so a
  // snapshot taken in between would see it come): while one runs, the snapshot taken before it began.
  std::shared_ptr<const StoreSnapshot> stableSnapshot() const;
  void beginIngest();
  void endIngest(bool failed);

  // True if what was read at this index and in this generation is what the block holds now.
  bool isUnchanged(uint16_t block, uint64_t appliedIndex, uint32_t generation) const {
    const uint64_t now = blocks_[block] == nullptr ? 0 : blocks_[block]->position.index;
    return now == appliedIndex && versions_.generation(block) == generation;
  }
  // Throws `unavailable` while a snapshot replaces the block: what it holds is then neither the old state nor the new one.
  void refuseInstalling(uint16_t block) const;
  // In the time that answers are stamped with.
  uint64_t sinceFirst(uint64_t ms) const { return firstMs_ && ms > *firstMs_ ? ms - *firstMs_ : 0; }
  SeriesRef seriesOf(std::string_view name, uint16_t block) const { return {name, block, versions_.key()}; }
  const Series* frozenSeries(const SeriesRef& series) const;
  ReadView liveView(const SeriesRef& series, Steps* steps = nullptr) const;
  uint64_t allowedSteps(uint64_t most) const { return std::max(std::min(most, turnSteps_.left()), std::min(most, kLeastSteps)); }

  EngineConfig config_;
  std::shared_ptr<SortedStore> store_;
  std::unique_ptr<BlockState*[], void (*)(void*)> blocks_;
  std::vector<BlockState*> known_;
  VersionCache versions_;
  RequestTable requests_;
  uint32_t restoreGeneration_ = 0;
  std::shared_ptr<C0> active_;
  std::shared_ptr<const C0> frozen_;
  // Of the last two flushes, newest first; may be null.
  std::shared_ptr<const RecentHeaders> recent_[2];
  uint64_t rotation_ = 1;
  std::optional<uint64_t> firstMs_;
  uint64_t batch_ = 0;
  // Why the last batch was not applied to its end.
  std::string refusal_;
  // After a failed write nothing may be applied or flushed any more.
  bool poisoned_ = false;
  // Not null while an ingest is under way: a flush, or the end of an install.
  std::shared_ptr<const StoreSnapshot> beforeIngest_;
  std::unordered_map<uint32_t, std::shared_ptr<Install>> installs_;
  uint32_t lastInstall_ = 0;
  Steps turnSteps_;
  bool lastWalked_ = false;
  std::string key_;
  std::string row_;

  uint64_t cachedReads_ = 0;
  uint64_t needsIo_ = 0;
  uint64_t flushes_ = 0;
  uint64_t flushNumber_ = 0;
  uint64_t appliedEntries_ = 0;
};

// Reads shared by the engine's thread and tasks: they touch nothing but the view and the store.
// The record's row (version u48 | value) lands in `row`, or false if there is none.
bool readRecord(SortedStore& store, const ReadView& view, const SeriesRef& series, uint64_t slice, uint64_t id, std::string& key,
                std::string& row, uint64_t& version, std::string_view& value);
bool readPageHeader(SortedStore& store, const ReadView& view, const SeriesRef& series, uint64_t slice, std::string& key, std::string& row,
                    PageHeader& header);

struct ScanRequest {
  std::string_view series;
  uint64_t from;
  uint64_t to;
  uint32_t limit;
  bool reverse;
};
ScanRequest parseScan(std::string_view request);
void runScan(SortedStore& store, const ReadView& view, const SeriesRef& series, const ScanRequest& request, uint64_t sliceDurationMs, Sink& out);

}  // namespace thermocline
