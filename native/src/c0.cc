#include "c0.h"

#include <algorithm>

namespace thermocline {
namespace {

constexpr uint32_t kLargestLeaf = 64;
constexpr size_t kFirstTableSlots = 64;

uint32_t lowerBoundSlot(const Leaf& leaf, uint64_t id) {
  const Slot* slots = leaf.slots();
  if (leaf.count == 0 || slots[leaf.count - 1].id < id) return leaf.count;
  const Slot* found = std::lower_bound(slots, slots + leaf.count, id, [](const Slot& slot, uint64_t wanted) { return slot.id < wanted; });
  return static_cast<uint32_t>(found - slots);
}

// The leaf an id belongs to: the last one that starts at or before it, else the first.
uint32_t leafOf(const Page& page, uint64_t id) {
  const LeafRef* leaves = page.leaves;
  if (leaves[page.leafCount - 1].firstId <= id) return page.leafCount - 1;
  const LeafRef* after =
      std::upper_bound(leaves, leaves + page.leafCount, id, [](uint64_t wanted, const LeafRef& leaf) { return wanted < leaf.firstId; });
  return after == leaves ? 0 : static_cast<uint32_t>(after - leaves - 1);
}

}  // namespace

C0::C0() : table_(kFirstTableSlots, nullptr) {}

Series* C0::find(const SeriesRef& series) const {
  const size_t mask = table_.size() - 1;
  for (size_t at = series.hash.low & mask;; at = (at + 1) & mask) {
    Series* found = table_[at];
    if (found == nullptr) return nullptr;
    if (found->hash == series.hash && found->block == series.block && found->name() == series.name) return found;
  }
}

Series& C0::findOrAdd(const SeriesRef& series, BlockLog& log) {
  if (Series* found = find(series)) return *found;
  if ((seriesCount_ + 1) * 2 > table_.size()) growTable();
  auto* added = static_cast<Series*>(arena_.take(sizeof(Series) + series.name.size()));
  *added = {series.hash, digestName(log.digestKey, series.name), log.series, nullptr, 0, 0, series.block, static_cast<uint16_t>(series.name.size())};
  memcpy(added + 1, series.name.data(), series.name.size());
  log.series = added;
  const size_t mask = table_.size() - 1;
  size_t at = series.hash.low & mask;
  while (table_[at] != nullptr) at = (at + 1) & mask;
  table_[at] = added;
  seriesCount_++;
  return *added;
}

void C0::growTable() {
  std::vector<Series*> larger(table_.size() * 2, nullptr);
  const size_t mask = larger.size() - 1;
  for (Series* series : table_) {
    if (series == nullptr) continue;
    size_t at = series->hash.low & mask;
    while (larger[at] != nullptr) at = (at + 1) & mask;
    larger[at] = series;
  }
  table_ = std::move(larger);
}

uint32_t C0::lowerBound(const Series& series, uint64_t slice) {
  Page* const* found = std::lower_bound(series.pages, series.pages + series.pageCount, slice,
                                        [](const Page* page, uint64_t wanted) { return page->slice < wanted; });
  return static_cast<uint32_t>(found - series.pages);
}

Page* C0::findPage(const Series& series, uint64_t slice) {
  if (series.pageCount == 0) return nullptr;
  Page* last = series.pages[series.pageCount - 1];
  if (last->slice == slice) return last;
  const uint32_t at = lowerBound(series, slice);
  return at < series.pageCount && series.pages[at]->slice == slice ? series.pages[at] : nullptr;
}

Page& C0::addPage(Series& series, uint64_t slice, const PageHeader* below, const HashKey& digestKey) {
  auto* page = static_cast<Page*>(arena_.take(sizeof(Page)));
  *page = {};
  page->slice = slice;
  page->exists = below != nullptr;
  page->fresh = below == nullptr;
  if (below != nullptr) {
    page->header = *below;
    page->element = pageElement(digestKey, series.digestName, slice, *below);
  }
  if (series.pageCount == series.pageCapacity) {
    const uint32_t capacity = std::max<uint32_t>(2, series.pageCapacity * 2);
    auto** pages = static_cast<Page**>(arena_.take(capacity * sizeof(Page*)));
    if (series.pageCount > 0) memcpy(pages, series.pages, series.pageCount * sizeof(Page*));
    series.pages = pages;
    series.pageCapacity = capacity;
  }
  const uint32_t at = lowerBound(series, slice);
  memmove(series.pages + at + 1, series.pages + at, (series.pageCount - at) * sizeof(Page*));
  series.pages[at] = page;
  series.pageCount++;
  return *page;
}

const Blob* C0::findRecord(const Page& page, uint64_t id) {
  if (page.leafCount == 0) return nullptr;
  const Leaf& leaf = *page.leaves[leafOf(page, id)].leaf;
  const uint32_t at = lowerBoundSlot(leaf, id);
  return at < leaf.count && leaf.slots()[at].id == id ? leaf.slots()[at].blob : nullptr;
}

Leaf* C0::newLeaf(uint32_t capacity) {
  const int size = __builtin_ctz(capacity);
  Leaf* leaf = freeLeaves_[size];
  if (leaf != nullptr) {
    memcpy(&freeLeaves_[size], leaf + 1, sizeof(Leaf*));
  } else {
    leaf = static_cast<Leaf*>(arena_.take(sizeof(Leaf) + capacity * sizeof(Slot)));
  }
  *leaf = {0, capacity};
  return leaf;
}

void C0::freeLeaf(Leaf* leaf) {
  const int size = __builtin_ctz(leaf->capacity);
  memcpy(static_cast<void*>(leaf + 1), &freeLeaves_[size], sizeof(Leaf*));
  freeLeaves_[size] = leaf;
}

void C0::insertLeaf(Page& page, uint32_t at, LeafRef ref) {
  if (page.leafCount == page.leafCapacity) {
    LeafRef* leaves = &page.only;
    uint32_t capacity = 1;
    if (page.leafCapacity > 0) {
      capacity = std::max<uint32_t>(4, page.leafCapacity * 2);
      leaves = static_cast<LeafRef*>(arena_.take(capacity * sizeof(LeafRef)));
      memcpy(leaves, page.leaves, page.leafCount * sizeof(LeafRef));
    }
    page.leaves = leaves;
    page.leafCapacity = capacity;
  }
  memmove(page.leaves + at + 1, page.leaves + at, (page.leafCount - at) * sizeof(LeafRef));
  page.leaves[at] = ref;
  page.leafCount++;
}

// The slot of an id, added with a null blob if it is new.
Blob** C0::slotFor(Page& page, uint64_t id) {
  if (page.leafCount == 0) insertLeaf(page, 0, {id, newLeaf(2)});
  uint32_t leafAt = leafOf(page, id);
  Leaf* leaf = page.leaves[leafAt].leaf;
  uint32_t at = lowerBoundSlot(*leaf, id);
  if (at < leaf->count && leaf->slots()[at].id == id) return &leaf->slots()[at].blob;
  if (leaf->count == leaf->capacity) {
    if (leaf->capacity < kLargestLeaf) {
      Leaf* larger = newLeaf(leaf->capacity * 2);
      larger->count = leaf->count;
      memcpy(larger->slots(), leaf->slots(), leaf->count * sizeof(Slot));
      freeLeaf(leaf);
      leaf = page.leaves[leafAt].leaf = larger;
    } else if (at == leaf->count && leafAt == page.leafCount - 1) {
      leaf = newLeaf(8);
      insertLeaf(page, ++leafAt, {id, leaf});
      at = 0;
    } else {
      Leaf* upper = newLeaf(kLargestLeaf);
      const uint32_t half = kLargestLeaf / 2;
      upper->count = leaf->count - half;
      memcpy(upper->slots(), leaf->slots() + half, upper->count * sizeof(Slot));
      leaf->count = half;
      insertLeaf(page, leafAt + 1, {upper->slots()[0].id, upper});
      if (at > half) {
        leaf = upper;
        at -= half;
        leafAt++;
      }
    }
  }
  Slot* slots = leaf->slots();
  memmove(slots + at + 1, slots + at, (leaf->count - at) * sizeof(Slot));
  slots[at] = {id, nullptr};
  leaf->count++;
  if (id < page.leaves[leafAt].firstId) page.leaves[leafAt].firstId = id;
  records_++;
  return &slots[at].blob;
}

void C0::put(Page& page, uint64_t id, uint64_t version, std::string_view value) {
  Blob** slot = slotFor(page, id);
  Blob* blob = *slot;
  if (blob == nullptr || blob->capacity < value.size()) {
    const uint32_t capacity = (static_cast<uint32_t>(value.size()) + 7) & ~uint32_t{7};
    blob = static_cast<Blob*>(arena_.take(sizeof(Blob) + capacity));
    blob->capacity = capacity;
    *slot = blob;
  }
  blob->versionAndRemoved = version;
  blob->size = static_cast<uint32_t>(value.size());
  if (!value.empty()) memcpy(blob->data(), value.data(), value.size());
}

void C0::remove(Page& page, uint64_t id, uint64_t version) {
  put(page, id, version, {});
  (*slotFor(page, id))->versionAndRemoved |= Blob::kRemoved;
}

BlockLog& C0::addLog(uint16_t block) {
  logs_.push_back(std::make_unique<BlockLog>());
  logs_.back()->block = block;
  logBytes_ += sizeof(BlockLog);
  return *logs_.back();
}

void C0::rekey(BlockLog& log, const HashKey& key) {
  log.digestKey = key;
  for (Series* series = log.series; series != nullptr; series = series->nextInBlock) series->digestName = digestName(key, series->name());
}

void C0::addAnswer(BlockLog& log, const Answer& answer) {
  const size_t before = log.answers.capacity();
  appendAnswer(log.answers, answer);
  logBytes_ += log.answers.capacity() - before;
}

void C0::drop(BlockLog& log) {
  // Pages go, the empty series stay in the table: unlinking them from an open-addressed table buys nothing.
  for (Series* series = log.series; series != nullptr; series = series->nextInBlock) series->pageCount = 0;
  logBytes_ -= log.answers.capacity();
  log.answers = std::string();
  log.dropped = true;
}

void RecordCursor::seek(const Page* page, uint64_t id) {
  page_ = page;
  slot_ = nullptr;
  if (page == nullptr || page->leafCount == 0) return;
  leaf_ = leafOf(*page, id);
  at_ = lowerBoundSlot(*page->leaves[leaf_].leaf, id);
  settle();
}

void RecordCursor::seekForPrev(const Page* page, uint64_t id) {
  page_ = page;
  slot_ = nullptr;
  if (page == nullptr || page->leafCount == 0) return;
  leaf_ = leafOf(*page, id);
  const Leaf& leaf = *page->leaves[leaf_].leaf;
  at_ = lowerBoundSlot(leaf, id);
  if (at_ == leaf.count || leaf.slots()[at_].id != id) at_--;
  settle();
}

void RecordCursor::next() {
  at_++;
  settle();
}

void RecordCursor::prev() {
  at_--;
  settle();
}

// Leaves are never empty, so one step to a neighbour is enough.
void RecordCursor::settle() {
  slot_ = nullptr;
  if (at_ < 0) {
    if (leaf_ == 0) return;
    leaf_--;
    at_ = page_->leaves[leaf_].leaf->count - 1;
  } else if (at_ >= page_->leaves[leaf_].leaf->count) {
    if (leaf_ + 1 >= page_->leafCount) return;
    leaf_++;
    at_ = 0;
  }
  slot_ = page_->leaves[leaf_].leaf->slots() + at_;
}

}  // namespace thermocline
