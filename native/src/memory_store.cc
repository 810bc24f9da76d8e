// The sorted store of the simulator and of tests: per family one immutable sorted vector of shared rows. An ingest
// merges its rows into a new vector and swaps that in; a snapshot keeps the old vectors. The handle outlives the engine
// over it, as a disk outlives a process.
#include <algorithm>
#include <array>
#include <unordered_map>
#include <vector>

#include "errors.h"
#include "store.h"

namespace thermocline {
namespace {

struct Row {
  std::string key;
  std::string value;
};
using RowRef = std::shared_ptr<const Row>;
using Rows = std::vector<RowRef>;
using RowsRef = std::shared_ptr<const Rows>;
using Families = std::array<RowsRef, kFamilyCount>;

Rows::const_iterator lowerBound(const Rows& rows, std::string_view key) {
  return std::lower_bound(rows.begin(), rows.end(), key, [](const RowRef& row, std::string_view wanted) { return row->key < wanted; });
}

class MemorySnapshot final : public StoreSnapshot {
 public:
  explicit MemorySnapshot(Families families) : families(std::move(families)) {}
  const Families families;
};

class MemoryIterator final : public StoreIterator {
 public:
  explicit MemoryIterator(RowsRef rows) : rows_(std::move(rows)), at_(rows_->size()) {}
  void seek(std::string_view key) override { at_ = static_cast<size_t>(lowerBound(*rows_, key) - rows_->begin()); }
  void seekForPrev(std::string_view key) override {
    seek(key);
    if (at_ == rows_->size() || (*rows_)[at_]->key != key) at_--;
  }
  void next() override { at_++; }
  void prev() override { at_--; }
  bool valid() const override { return at_ < rows_->size(); }
  std::string_view key() const override { return (*rows_)[at_]->key; }
  std::string_view value() const override { return (*rows_)[at_]->value; }

 private:
  RowsRef rows_;
  // Before the first row is SIZE_MAX: past the end like any other.
  size_t at_;
};

class MemoryStore final : public DeferringStore {
 public:
  MemoryStore() { families_.fill(std::make_shared<const Rows>()); }

  bool get(Family family, std::string_view key, const StoreSnapshot* snapshot, ReadTier, std::string& value) override {
    const Rows& rows = *rowsOf(family, snapshot);
    const auto found = lowerBound(rows, key);
    if (found == rows.end() || (*found)->key != key) return false;
    value = (*found)->value;
    return true;
  }

  std::unique_ptr<StoreIterator> iterate(Family family, const StoreSnapshot* snapshot, ReadTier, uint64_t) override {
    return std::make_unique<MemoryIterator>(rowsOf(family, snapshot));
  }

  StoreIterator& ownIterator(Family family) override {
    std::unique_ptr<StoreIterator>& own = own_[static_cast<int>(family)];
    own = iterate(family, nullptr, ReadTier::cached, 0);
    return *own;
  }
  void dropIterators() override {
    for (auto& own : own_) own.reset();
  }

  std::shared_ptr<const StoreSnapshot> snapshot() override { return std::make_shared<MemorySnapshot>(families_); }
  std::unique_ptr<Ingest> ingest() override;
  bool immediate() const override { return true; }
  bool defers(std::function<void()> work) override {
    if (!defersNext_) return false;
    defersNext_ = false;
    deferred_.emplace(lastDeferred_, std::move(work));
    return true;
  }
  uint32_t deferNext() override {
    defersNext_ = true;
    return ++lastDeferred_;
  }
  void proceed(uint32_t number) override {
    const auto found = deferred_.find(number);
    if (found == deferred_.end()) throwBug("there is no deferred work of that number");
    const std::function<void()> work = std::move(found->second);
    deferred_.erase(found);
    work();
  }

  void compactRemovals() override {}
  Pressure pressure() override { return {}; }
  void tidy() override {}
  void figures(const std::function<void(const std::string&, double)>& add) override {
    for (int family = 0; family < kFamilyCount; family++) {
      static const char* const names[] = {"storePagesRows", "storeRecordsRows", "storeMetaRows"};
      add(names[family], static_cast<double>(families_[family]->size()));
    }
  }
  std::map<std::string, std::string> options() override { return {}; }

  void replace(Families families) { families_ = std::move(families); }
  const Families& families() const { return families_; }

 private:
  const RowsRef& rowsOf(Family family, const StoreSnapshot* snapshot) const {
    const int at = static_cast<int>(family);
    return snapshot == nullptr ? families_[at] : static_cast<const MemorySnapshot*>(snapshot)->families[at];
  }

  Families families_;
  std::array<std::unique_ptr<StoreIterator>, kFamilyCount> own_;
  bool defersNext_ = false;
  uint32_t lastDeferred_ = 0;
  std::unordered_map<uint32_t, std::function<void()>> deferred_;
};

class MemoryIngest final : public Ingest {
 public:
  explicit MemoryIngest(MemoryStore& store) : store_(store) {}

  void put(Family family, std::string_view key, std::string_view value) override {
    changes_[static_cast<int>(family)].push_back({std::make_shared<const Row>(Row{std::string(key), std::string(value)}), false});
  }
  void remove(Family family, std::string_view key) override {
    changes_[static_cast<int>(family)].push_back({std::make_shared<const Row>(Row{std::string(key), {}}), true});
  }
  void removeRange(Family family, std::string_view from, std::string_view to) override {
    ranges_[static_cast<int>(family)].push_back({std::string(from), std::string(to)});
  }

  void endTable(Family, uint64_t) override {}

  void prepare() override {}

  void commit() override {
    Families families = store_.families();
    for (int family = 0; family < kFamilyCount; family++) {
      if (changes_[family].empty() && ranges_[family].empty()) continue;
      families[family] = merged(*families[family], family);
    }
    store_.replace(std::move(families));
  }

 private:
  struct Change {
    RowRef row;
    bool removed;
  };

  RowsRef merged(const Rows& old, int family) const {
    auto rows = std::make_shared<Rows>();
    rows->reserve(old.size() + changes_[family].size());
    auto before = old.begin();
    for (const Change& change : changes_[family]) {
      for (; before != old.end() && (*before)->key < change.row->key; ++before) keep(*rows, *before, family);
      if (before != old.end() && (*before)->key == change.row->key) ++before;
      if (!change.removed) rows->push_back(change.row);
    }
    for (; before != old.end(); ++before) keep(*rows, *before, family);
    return rows;
  }

  void keep(Rows& rows, const RowRef& row, int family) const {
    for (const auto& [from, to] : ranges_[family]) {
      if (row->key >= from && row->key < to) return;
    }
    rows.push_back(row);
  }

  MemoryStore& store_;
  std::array<std::vector<Change>, kFamilyCount> changes_;
  std::array<std::vector<std::pair<std::string, std::string>>, kFamilyCount> ranges_;
};

std::unique_ptr<Ingest> MemoryStore::ingest() { return std::make_unique<MemoryIngest>(*this); }

}  // namespace

std::shared_ptr<DeferringStore> createMemoryStore() { return std::make_shared<MemoryStore>(); }

}  // namespace thermocline
