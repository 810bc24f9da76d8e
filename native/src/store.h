// The sorted store under the memory component: flushed state, in three families of ordered keys. It changes only by
// `commit` of an ingest, which adds sorted rows to all families at once; so whatever it holds is a consistent cut.
// Two implementations: RocksDB, and vectors in memory for the simulator and tests. Methods may be called from any thread
// (of an `immediate` store, from one thread only); ingests commit one at a time.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "errors.h"

namespace thermocline {

enum class Family { pages = 0, records = 1, meta = 2 };
constexpr int kFamilyCount = 3;

// `cached` reads answer from memory or throw NeedsIo; `bulk` reads leave the cache alone.
enum class ReadTier { cached, disk, bulk };

// An iterator that was given a bound on skipped rows may stop before it finds a row: it is not valid then but `stopped`, at the
// key of a row that may be there. To go on from that key, inclusively, misses nothing.
class StoreIterator {
 public:
  virtual ~StoreIterator() = default;
  // First key ≥ / last key ≤ the given one.
  virtual void seek(std::string_view key) = 0;
  virtual void seekForPrev(std::string_view key) = 0;
  virtual void next() = 0;
  virtual void prev() = 0;
  virtual bool valid() const = 0;
  virtual bool stopped() const { return false; }
  virtual std::string_view stoppedAt() const { return {}; }
  // Rows that the last call went past beside the one that it has found: removed ones, and older versions.
  virtual uint64_t skipped() const { return 0; }
  virtual std::string_view key() const = 0;
  virtual std::string_view value() const = 0;
};

// A state of the store that later ingests do not change.
class StoreSnapshot {
 public:
  virtual ~StoreSnapshot() = default;
};

// Rows of a family come in ascending key order, and so do range removals, which cover what the store holds when they are
// called, never rows of the same ingest; no other ingest may commit in between. Without `commit` nothing happened:
// whatever failed before may be tried again by a new ingest.
class Ingest {
 public:
  virtual ~Ingest() = default;
  virtual void put(Family family, std::string_view key, std::string_view value) = 0;
  virtual void remove(Family family, std::string_view key) = 0;
  virtual void removeRange(Family family, std::string_view from, std::string_view to) = 0;
  // A border between the row before and the row that comes: a table of at least so many bytes ends here.
  virtual void endTable(Family family, uint64_t leastBytes) = 0;
  // Makes the rows durable, where nobody sees them yet.
  virtual void prepare() = 0;
  // After `prepare`: visible, all families at once and for good, when it returns.
  virtual void commit() = 0;
};

// What makes reads and compactions dear when tables come in faster than they are merged: the worst family's figures.
struct Pressure {
  uint64_t level0Tables = 0;
  uint64_t pendingCompactionBytes = 0;
};

class SortedStore {
 public:
  virtual ~SortedStore() = default;
  // False if absent. `snapshot` may be null: the newest state.
  virtual bool get(Family family, std::string_view key, const StoreSnapshot* snapshot, ReadTier tier, std::string& value) = 0;
  // `mostSkipped` bounds what one call of it skips, 0 leaves it unbounded.
  virtual std::unique_ptr<StoreIterator> iterate(Family family, const StoreSnapshot* snapshot, ReadTier tier, uint64_t mostSkipped = 0) = 0;
  // The engine thread's own iterator over the newest state, tier `cached`: making one costs more than seeking it. One
  // per family, one use at a time; `dropIterators` lets go of the tables they pin. A call that skips more than `kReadSteps` rows
  // throws NeedsIo.
  virtual StoreIterator& ownIterator(Family family) = 0;
  virtual void dropIterators() = 0;
  virtual std::shared_ptr<const StoreSnapshot> snapshot() = 0;
  virtual std::unique_ptr<Ingest> ingest() = 0;
  // True if calls never wait for a disk, so that work may run on the caller's thread.
  virtual bool immediate() const = 0;
  // True if the store has taken the work, to be done when it is told to; false if it is to be done now (see `DeferringStore`).
  virtual bool defers(std::function<void()>) { return false; }
  virtual Pressure pressure() = 0;
  // Lets compaction begin where ingests have left stretches of removals, which reads have to step over until then. To be called once
  // the state before the last ingest is no longer held: what a snapshot may see is not taken away. On any thread.
  virtual void compactRemovals() = 0;
  // Merges runs of small tables that lie side by side in the bottom level, which compaction leaves alone, for they overlap nothing. On
  // any thread, beside everything else; takes as long as there is something to merge.
  virtual void tidy() = 0;
  virtual void figures(const std::function<void(const std::string&, double)>& add) = 0;
  // Options in force, as text per family.
  virtual std::map<std::string, std::string> options() = 0;
};

// An immediate store whose answers can be made to come later, as those of a disk do; one thread decides when.
class DeferringStore : public SortedStore {
 public:
  // The next work on the store waits for `proceed` with the number that this returns.
  virtual uint32_t deferNext() = 0;
  virtual void proceed(uint32_t number) = 0;
};

std::shared_ptr<DeferringStore> createMemoryStore();
std::shared_ptr<SortedStore> openRocksStore(const std::string& path, uint64_t blockCacheBytes);

}  // namespace thermocline
