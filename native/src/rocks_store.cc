// The sorted store over RocksDB. Nothing is ever written through a memtable: an ingest writes one sorted table per
// family, and RocksDB links all of them in by one atomic, synced manifest write. So the database needs no log, and what
// it holds is always the state after some whole ingest.
#include <dirent.h>
#include <fcntl.h>
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/experimental.h>
#include <rocksdb/perf_context.h>
#include <rocksdb/sst_file_writer.h>
#include <rocksdb/table.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>

#include "removal_runs.h"
#include "rocks_options.h"
#include "rocks_tidy.h"
#include "steps.h"

namespace thermocline {
namespace {

using rocksdb::Slice;
using rocksdb::Status;

Slice sliceOf(std::string_view bytes) { return {bytes.data(), bytes.size()}; }
std::string_view viewOf(const Slice& bytes) { return {bytes.data(), bytes.size()}; }

const char* codeOf(const Status& status) {
  return status.IsCorruption() ? "corrupt" : status.IsNoSpace() ? "disk_full" : "internal";
}

[[noreturn]] void throwStatus(const Status& status, const std::string& doing) {
  throw EngineError(ErrorKind::error, codeOf(status), doing + ": " + status.ToString());
}

void check(const Status& status, const std::string& doing) {
  if (!status.ok()) throwStatus(status, doing);
}

class RocksStore;

class RocksSnapshot final : public StoreSnapshot {
 public:
  explicit RocksSnapshot(std::shared_ptr<rocksdb::DB> db) : db_(std::move(db)), snapshot(db_->GetSnapshot()) {}
  ~RocksSnapshot() override { db_->ReleaseSnapshot(snapshot); }

 private:
  const std::shared_ptr<rocksdb::DB> db_;

 public:
  const rocksdb::Snapshot* const snapshot;
};

rocksdb::ReadOptions readOptions(const StoreSnapshot* snapshot, ReadTier tier, uint64_t mostSkipped = 0) {
  rocksdb::ReadOptions options;
  options.max_skippable_internal_keys = mostSkipped;
  // The store has no range tombstones (docs/decisions/0021-no-range-tombstones.md). What looks for them in RocksDB 7.8 loses the status
  // of an iterator where one table ends and the next one is not in memory: rows would be missed in silence.
  options.ignore_range_deletions = true;
  if (snapshot != nullptr) options.snapshot = static_cast<const RocksSnapshot*>(snapshot)->snapshot;
  if (tier == ReadTier::cached) options.read_tier = rocksdb::kBlockCacheTier;
  if (tier == ReadTier::bulk) {
    options.fill_cache = false;
    // RocksDB reads ahead by itself where rows are read in a row: a fixed length would be read at every seek, too.
  }
  return options;
}

// Rows that iterators of this thread have gone past without returning them, ever.
uint64_t skippedByThread() {
  const rocksdb::PerfContext& context = *rocksdb::get_perf_context();
  return context.internal_key_skipped_count + context.internal_delete_skipped_count + context.internal_recent_skipped_count;
}

class RocksIterator final : public StoreIterator {
 public:
  RocksIterator(rocksdb::Iterator* it, ReadTier tier) : it_(it), tier_(tier) {}
  // Moves to the newest state; cheap while no table came or went.
  void refresh() { check(it_->Refresh(), "refreshing an iterator"); }
  void seek(std::string_view key) override {
    move([&] { it_->Seek(sliceOf(key)); });
  }
  void seekForPrev(std::string_view key) override {
    move([&] { it_->SeekForPrev(sliceOf(key)); });
  }
  void next() override {
    move([&] { it_->Next(); });
  }
  void prev() override {
    move([&] { it_->Prev(); });
  }
  bool valid() const override { return it_->Valid(); }
  bool stopped() const override { return stopped_; }
  std::string_view stoppedAt() const override { return stoppedAt_; }
  uint64_t skipped() const override { return skipped_; }
  std::string_view key() const override { return viewOf(it_->key()); }
  std::string_view value() const override { return viewOf(it_->value()); }

 private:
  template <typename Call>
  void move(Call call) {
    const uint64_t before = skippedByThread();
    call();
    skipped_ = skippedByThread() - before;
    stopped_ = false;
    if (it_->Valid()) return;
    const Status status = it_->status();
    if (status.ok()) return;
    if (!status.IsIncomplete()) throwStatus(status, "reading the engine's store");
    // The disk is needed, or too many rows are in the way; either is for another thread.
    if (tier_ == ReadTier::cached) throw NeedsIo();
    check(it_->GetProperty("rocksdb.iterator.internal-key", &stoppedAt_), "asking an iterator where it stopped");
    stopped_ = true;
  }
  const std::unique_ptr<rocksdb::Iterator> it_;
  const ReadTier tier_;
  uint64_t skipped_ = 0;
  bool stopped_ = false;
  std::string stoppedAt_;
};

// Makes the folder if there is none; its name is durable before anything in it is.
void makeFolder(const std::string& path) {
  if (mkdir(path.c_str(), 0700) != 0) {
    if (errno == EEXIST) return;
    throw EngineError(ErrorKind::error, "internal", "could not make the folder " + path + ": " + strerror(errno));
  }
  const size_t slash = path.find_last_of('/');
  const std::string above = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const int parent = open(above.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool isSynced = parent >= 0 && fsync(parent) == 0;
  const std::string why = strerror(errno);
  if (parent >= 0) close(parent);
  if (!isSynced) throw EngineError(ErrorKind::error, "internal", "could not sync the folder " + above + ": " + why);
}

class RocksStore final : public SortedStore {
 public:
  RocksStore(const std::string& path, uint64_t blockCacheBytes)
      : incoming_(path + "/incoming"), cache_(rocksdb::NewLRUCache(blockCacheBytes, -1, false, 0.5)) {
    makeFolder(path);
    refuseHeadless(path);
    clearIncoming();
    database_ = databaseOptions();
    std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
    descriptors.emplace_back(rocksdb::kDefaultColumnFamilyName, rocksdb::ColumnFamilyOptions());
    for (int i = 0; i < kFamilyCount; i++) {
      families_[i] = familyOptions(static_cast<Family>(i), cache_);
      descriptors.emplace_back(familyName(static_cast<Family>(i)), families_[i]);
    }
    rocksdb::DB* db = nullptr;
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    const Status status = rocksdb::DB::Open(database_, path, descriptors, &handles, &db);
    if (!status.ok()) throwOpen(status, path);
    // Family handles go before the database; the last reader closes it.
    db_ = std::shared_ptr<rocksdb::DB>(db, [handles](rocksdb::DB* open) {
      for (rocksdb::ColumnFamilyHandle* handle : handles) open->DestroyColumnFamilyHandle(handle);
      open->Close();
      delete open;
    });
    for (int i = 0; i < kFamilyCount; i++) handles_[i] = handles[static_cast<size_t>(i) + 1];
    makeFolder(incoming_);
  }

  bool get(Family family, std::string_view key, const StoreSnapshot* snapshot, ReadTier tier, std::string& value) override {
    value.clear();
    const Status status = db_->Get(readOptions(snapshot, tier), handles_[static_cast<int>(family)], sliceOf(key), &value);
    // A table that is not open yet counts as "may hold the key" in the cached tier: RocksDB says ok and gives no value. No row
    // is empty.
    if (status.ok() && value.empty() && tier == ReadTier::cached) throw NeedsIo();
    if (status.ok()) return true;
    if (status.IsNotFound()) return false;
    if (status.IsIncomplete()) throw NeedsIo();
    throwStatus(status, "reading the engine's store");
  }

  std::unique_ptr<StoreIterator> iterate(Family family, const StoreSnapshot* snapshot, ReadTier tier, uint64_t mostSkipped) override {
    return std::make_unique<RocksIterator>(db_->NewIterator(readOptions(snapshot, tier, mostSkipped), handles_[static_cast<int>(family)]), tier);
  }

  StoreIterator& ownIterator(Family family) override {
    const int at = static_cast<int>(family);
    if (own_[at] == nullptr) {
      const rocksdb::ReadOptions options = readOptions(nullptr, ReadTier::cached, kReadSteps);
      own_[at] = std::make_unique<RocksIterator>(db_->NewIterator(options, handles_[at]), ReadTier::cached);
    } else {
      own_[at]->refresh();
    }
    return *own_[at];
  }
  void dropIterators() override {
    for (auto& own : own_) own.reset();
  }

  std::shared_ptr<const StoreSnapshot> snapshot() override { return std::make_shared<RocksSnapshot>(db_); }
  std::unique_ptr<Ingest> ingest() override;
  bool immediate() const override { return false; }

  // RocksDB marks what compaction has written, by the removals that it collects; of an ingested table it forgets them.
  void compactRemovals() override {
    std::array<std::vector<KeyRange>, kFamilyCount> noted;
    {
      const std::lock_guard<std::mutex> lock(removalsMutex_);
      noted.swap(removals_);
    }
    for (int family = 0; family < kFamilyCount; family++) {
      for (const KeyRange& range : noted[family]) {
        const Slice first = sliceOf(range.first);
        const Slice last = sliceOf(range.last);
        // Where it cannot be, reads take the longer way.
        rocksdb::experimental::SuggestCompactRange(db_.get(), handles_[family], &first, &last).PermitUncheckedError();
      }
    }
  }
  Pressure pressure() override;
  void tidy() override;
  void figures(const std::function<void(const std::string&, double)>& add) override {
    add("blockCacheBytes", static_cast<double>(cache_->GetUsage()));
    add("blockCachePinnedBytes", static_cast<double>(cache_->GetPinnedUsage()));
    static const std::pair<const char*, const std::string*> properties[] = {
        {"KeysEstimate", &rocksdb::DB::Properties::kEstimateNumKeys},
        {"FileBytes", &rocksdb::DB::Properties::kTotalSstFilesSize},
        {"PendingCompactionBytes", &rocksdb::DB::Properties::kEstimatePendingCompactionBytes},
        {"TableReaderBytes", &rocksdb::DB::Properties::kEstimateTableReadersMem},
    };
    for (int i = 0; i < kFamilyCount; i++) {
      const std::string family = familyName(static_cast<Family>(i));
      for (const auto& [name, property] : properties) {
        uint64_t value = 0;
        db_->GetIntProperty(handles_[i], *property, &value);
        add(family + name, static_cast<double>(value));
      }
      std::string files;
      db_->GetProperty(handles_[i], rocksdb::DB::Properties::kNumFilesAtLevelPrefix + "0", &files);
      add(family + "Level0Files", files.empty() ? 0 : std::stod(files));
    }
  }

  std::map<std::string, std::string> options() override;

  void noteRemovals(Family family, const std::vector<KeyRange>& runs) {
    const std::lock_guard<std::mutex> lock(removalsMutex_);
    std::vector<KeyRange>& noted = removals_[static_cast<int>(family)];
    noted.insert(noted.end(), runs.begin(), runs.end());
  }

  const std::shared_ptr<rocksdb::DB>& db() const { return db_; }
  rocksdb::ColumnFamilyHandle* handle(int family) const { return handles_[family]; }
  rocksdb::Options tableOptionsOf(int family) const { return tableOptions(static_cast<Family>(family), database_, families_[family]); }
  std::string newTablePath(int family) {
    return incoming_ + "/" + std::to_string(++tables_) + "." + familyName(static_cast<Family>(family)) + ".sst";
  }

 private:
  [[noreturn]] static void throwOpen(const Status& status, const std::string& path) {
    const std::string text = status.ToString();
    if (text.find("lock ") != std::string::npos || text.find("LOCK") != std::string::npos) {
      throw EngineError(ErrorKind::error, "locked", "the engine's folder " + path + " is in use by another process: " + text);
    }
    // A file that another one names is missing: what is there is not whole.
    const char* code = status.IsPathNotFound() || status.IsNotFound() ? "corrupt" : codeOf(status);
    throw EngineError(ErrorKind::error, code, "opening the engine's folder " + path + ": " + text);
  }

  // Without CURRENT, RocksDB would begin anew and delete the tables.
  static void refuseHeadless(const std::string& path) {
    if (access((path + "/CURRENT").c_str(), F_OK) == 0) return;
    DIR* folder = opendir(path.c_str());
    if (folder == nullptr) return;
    bool hasTables = false;
    while (const dirent* file = readdir(folder)) {
      const char* ending = strrchr(file->d_name, '.');
      hasTables = hasTables || (ending != nullptr && strcmp(ending, ".sst") == 0);
    }
    closedir(folder);
    if (hasTables) throwCorrupt("the engine's folder " + path + " holds tables, but its file CURRENT is gone");
  }

  // Tables of an ingest that never was.
  void clearIncoming() const {
    DIR* folder = opendir(incoming_.c_str());
    if (folder == nullptr) return;
    while (const dirent* file = readdir(folder)) {
      if (file->d_name[0] != '.') unlink((incoming_ + "/" + file->d_name).c_str());
    }
    closedir(folder);
  }

  const std::string incoming_;
  const std::shared_ptr<rocksdb::Cache> cache_;
  rocksdb::DBOptions database_;
  std::array<rocksdb::ColumnFamilyOptions, kFamilyCount> families_;
  std::shared_ptr<rocksdb::DB> db_;
  std::array<rocksdb::ColumnFamilyHandle*, kFamilyCount> handles_{};
  // After the database, so that they go before it.
  std::array<std::unique_ptr<RocksIterator>, kFamilyCount> own_;
  std::atomic<uint64_t> tables_{0};
  std::mutex removalsMutex_;
  // Stretches of removals that are to be compacted.
  std::array<std::vector<KeyRange>, kFamilyCount> removals_;
};

class RocksIngest final : public Ingest {
 public:
  explicit RocksIngest(RocksStore& store) : store_(store) {}
  ~RocksIngest() override {
    eachTable([](Table& table) {
      table.writer.reset();
      unlink(table.path.c_str());
    });
  }

  void put(Family family, std::string_view key, std::string_view value) override {
    Table& table = tableOf(rows_, family);
    check(table.writer->Put(sliceOf(key), sliceOf(value)), "writing a table");
    table.removals.note(key, false);
  }
  void remove(Family family, std::string_view key) override { removeIn(rows_, family, key); }
  // Row by row, for range tombstones must not get into the store: above them, iterators of RocksDB 7.8 in the cached tier
  // may end with status ok before a table that is not in memory, instead of saying that it has to be read
  // (docs/decisions/0021-no-range-tombstones.md).
  void removeRange(Family family, std::string_view from, std::string_view to) override {
    std::unique_ptr<StoreIterator>& old = old_[static_cast<int>(family)];
    if (old == nullptr) old = store_.iterate(family, nullptr, ReadTier::bulk, 0);
    for (old->seek(from); old->valid() && old->key() < to; old->next()) {
      removeIn(removals_, family, old->key());
    }
  }
  void endTable(Family family, uint64_t leastBytes) override {
    std::vector<Table>& tables = rows_[static_cast<int>(family)];
    if (tables.empty() || tables.back().writer == nullptr || tables.back().writer->FileSize() < leastBytes) return;
    finish(tables.back());
  }

  void prepare() override {
    for (auto& old : old_) old.reset();
    eachTable([this](Table& table) {
      if (table.writer != nullptr) finish(table);
    });
  }

  void commit() override {
    std::vector<rocksdb::IngestExternalFileArg> args;
    for (int family = 0; family < kFamilyCount; family++) {
      rocksdb::IngestExternalFileArg arg;
      arg.column_family = store_.handle(family);
      // Where keys stand in both, the later file is the newer one.
      for (const Tables* tables : {&removals_, &rows_}) {
        for (const Table& table : (*tables)[family]) arg.external_files.push_back(table.path);
      }
      if (arg.external_files.empty()) continue;
      arg.options.move_files = true;
      arg.options.failed_move_fall_back_to_copy = true;
      arg.options.write_global_seqno = false;
      args.push_back(std::move(arg));
    }
    if (args.empty()) return;
    check(store_.db()->IngestExternalFiles(args), "adding tables to the engine's store");
    noteRemovals();
  }

 private:
  struct Table {
    std::string path;
    // Null once the table is written.
    std::unique_ptr<rocksdb::SstFileWriter> writer;
    RemovalRuns removals;
  };

  using Tables = std::array<std::vector<Table>, kFamilyCount>;

  template <typename Visit>
  void eachTable(Visit visit) {
    for (Tables* tables : {&removals_, &rows_}) {
      for (std::vector<Table>& family : *tables) {
        for (Table& table : family) visit(table);
      }
    }
  }

  // Finishing a table syncs it.
  void finish(Table& table) {
    check(table.writer->Finish(), "finishing the table " + table.path);
    table.writer.reset();
  }

  void noteRemovals() {
    for (Tables* tables : {&removals_, &rows_}) {
      for (const Family family : {Family::pages, Family::records}) {
        for (Table& table : (*tables)[static_cast<int>(family)]) store_.noteRemovals(family, table.removals.runs());
      }
    }
  }

  void removeIn(Tables& tables, Family family, std::string_view key) {
    Table& table = tableOf(tables, family);
    check(table.writer->Delete(sliceOf(key)), "writing a table");
    table.removals.note(key, true);
  }

  Table& tableOf(Tables& tables, Family family) {
    const int at = static_cast<int>(family);
    std::vector<Table>& ofFamily = tables[at];
    if (ofFamily.empty() || ofFamily.back().writer == nullptr) {
      ofFamily.push_back({store_.newTablePath(at), std::make_unique<rocksdb::SstFileWriter>(rocksdb::EnvOptions(), store_.tableOptionsOf(at)), {}});
      check(ofFamily.back().writer->Open(ofFamily.back().path), "opening the table " + ofFamily.back().path);
    }
    return ofFamily.back();
  }

  RocksStore& store_;
  // What the store held before; rows of this ingest.
  Tables removals_;
  Tables rows_;
  std::array<std::unique_ptr<StoreIterator>, kFamilyCount> old_;
};

std::unique_ptr<Ingest> RocksStore::ingest() { return std::make_unique<RocksIngest>(*this); }

Pressure RocksStore::pressure() {
  Pressure worst;
  for (int i = 0; i < kFamilyCount; i++) {
    uint64_t pending = 0;
    db_->GetIntProperty(handles_[i], rocksdb::DB::Properties::kEstimatePendingCompactionBytes, &pending);
    std::string files;
    db_->GetProperty(handles_[i], rocksdb::DB::Properties::kNumFilesAtLevelPrefix + "0", &files);
    worst.pendingCompactionBytes = std::max(worst.pendingCompactionBytes, pending);
    worst.level0Tables = std::max(worst.level0Tables, files.empty() ? uint64_t{0} : uint64_t{std::stoull(files)});
  }
  return worst;
}

void RocksStore::tidy() {
  for (int i = 0; i < kFamilyCount; i++) tidyFamily(*db_, handles_[i]);
}

const char* pinningName(rocksdb::PinningTier tier) {
  switch (tier) {
    case rocksdb::PinningTier::kAll:
      return "all";
    case rocksdb::PinningTier::kFlushedAndSimilar:
      return "fresh";
    case rocksdb::PinningTier::kNone:
      return "none";
    case rocksdb::PinningTier::kFallback:
      break;
  }
  return "fallback";
}

std::map<std::string, std::string> RocksStore::options() {
  std::map<std::string, std::string> texts;
  rocksdb::ConfigOptions config;
  config.delimiter = ";";
  GetStringFromDBOptions(config, db_->GetDBOptions(), &texts["database"]);
  for (int i = 0; i < kFamilyCount; i++) {
    const rocksdb::Options options = db_->GetOptions(handles_[i]);
    std::string& text = texts[familyName(static_cast<Family>(i))];
    GetStringFromColumnFamilyOptions(config, options, &text);
    text += ";" + options.table_factory->GetPrintableOptions();
    const auto* table = options.table_factory->GetOptions<rocksdb::BlockBasedTableOptions>();
    text += std::string("  unpartitioned_pinning: ") + pinningName(table->metadata_cache_options.unpartitioned_pinning) + "\n";
    text += std::string("  partition_pinning: ") + pinningName(table->metadata_cache_options.partition_pinning) + "\n";
  }
  return texts;
}

}  // namespace

std::shared_ptr<SortedStore> openRocksStore(const std::string& path, uint64_t blockCacheBytes) {
  return std::make_shared<RocksStore>(path, blockCacheBytes);
}

}  // namespace thermocline
