// Flush: the frozen component becomes one ingest. Sorting happens here, once, instead of at every write: series by
// block and name for page headers, pages by slice for records, blocks for positions and answers.
#include <algorithm>

#include "engine.h"

namespace thermocline {
namespace {

bool seriesBefore(const Series* a, const Series* b) {
  if (a->block != b->block) return a->block < b->block;
  if (a->length != b->length) return a->length < b->length;
  return a->name() < b->name();
}

struct PageOf {
  const Series* series;
  const Page* page;
};

std::vector<const Series*> sortedSeries(const C0& c0) {
  std::vector<const Series*> sorted;
  for (const auto& log : c0.logs()) {
    if (log->dropped) continue;
    for (const Series* series = log->series; series != nullptr; series = series->nextInBlock) {
      if (series->pageCount > 0) sorted.push_back(series);
    }
  }
  std::sort(sorted.begin(), sorted.end(), seriesBefore);
  return sorted;
}

void writePages(Ingest& ingest, const std::vector<const Series*>& sorted) {
  std::string key;
  for (const Series* series : sorted) {
    for (uint32_t i = series->pageCount; i > 0; i--) {
      const Page& page = *series->pages[i - 1];
      pageKey(key, series->block, series->name(), page.slice);
      if (page.exists) {
        char row[kPageRowBytes];
        encodePage(page.header, row);
        ingest.put(Family::pages, key, {row, sizeof row});
      } else if (!page.fresh) {
        ingest.remove(Family::pages, key);
      }
    }
  }
}

void writeRecords(Ingest& ingest, const std::vector<const Series*>& sorted) {
  std::vector<PageOf> pages;
  for (const Series* series : sorted) {
    for (uint32_t i = 0; i < series->pageCount; i++) pages.push_back({series, series->pages[i]});
  }
  std::stable_sort(pages.begin(), pages.end(), [](const PageOf& a, const PageOf& b) { return a.page->slice < b.page->slice; });
  std::string key;
  std::string row;
  for (const PageOf& at : pages) {
    recordPrefix(key, at.page->slice, at.series->block, at.series->name());
    const size_t prefixBytes = key.size();
    RecordCursor cursor;
    for (cursor.seek(at.page, 0); cursor.valid(); cursor.next()) {
      key.resize(prefixBytes);
      appendU64(key, cursor.id());
      const Blob& blob = cursor.blob();
      if (blob.removed()) {
        if (!at.page->fresh) ingest.remove(Family::records, key);
        continue;
      }
      char version[kRecordHeadBytes];
      storeU48(version, blob.version());
      row.assign(version, sizeof version);
      row.append(blob.value());
      ingest.put(Family::records, key, row);
    }
  }
}

// The answers of one component that its horizon has not passed.
std::string_view keptAnswers(const BlockLog& log) {
  std::string_view kept = log.answers;
  while (!kept.empty() && decodeAnswer(kept.data()).index < log.position.horizon) kept.remove_prefix(kAnswerRowBytes);
  return kept;
}

std::shared_ptr<const RecentHeaders> recentHeaders(const std::vector<const Series*>& sorted) {
  size_t pages = 0;
  for (const Series* series : sorted) pages += series->pageCount;
  auto recent = std::make_shared<RecentHeaders>(pages);
  for (const Series* series : sorted) {
    for (uint32_t i = 0; i < series->pageCount; i++) recent->add(*series, *series->pages[i]);
  }
  return recent;
}

// The first of these answers, as many as go into one row: whole entries, so that no two rows begin at the same index.
std::string_view firstRow(std::string_view answers) {
  if (answers.size() <= kMostRowAnswers * kAnswerRowBytes) return answers;
  size_t count = kMostRowAnswers;
  const uint64_t cutIndex = decodeAnswer(answers.data() + count * kAnswerRowBytes).index;
  while (count > 0 && decodeAnswer(answers.data() + (count - 1) * kAnswerRowBytes).index == cutIndex) count--;
  if (count == 0) throwBug("entry " + std::to_string(cutIndex) + " has more answers than a row takes");
  return answers.substr(0, count * kAnswerRowBytes);
}

// Also says which rows each block's answers became.
void writeMeta(Ingest& ingest, uint64_t flush, const std::vector<const BlockLog*>& logs, std::vector<std::vector<AnswerRowRange>>& rows) {
  char number[8];
  storeU64(number, flush);
  ingest.put(Family::meta, flushKey(), {number, sizeof number});
  for (const BlockLog* log : logs) ingest.put(Family::meta, positionKey(log->block), encodePosition(log->position));
  for (const BlockLog* log : logs) {
    for (const AnswerRowRange& expired : log->expiredRows) ingest.remove(Family::meta, answersKey(log->block, expired.firstIndex));
    rows.emplace_back();
    for (std::string_view answers = keptAnswers(*log); !answers.empty();) {
      const std::string_view row = firstRow(answers);
      answers.remove_prefix(row.size());
      rows.back().push_back({decodeAnswer(row.data()).index, decodeAnswer(row.data() + row.size() - kAnswerRowBytes).index});
      ingest.put(Family::meta, answersKey(log->block, rows.back().back().firstIndex), row);
    }
  }
}

}  // namespace

class FlushTask final : public Task {
 public:
  FlushTask(Engine& engine, std::shared_ptr<const C0> frozen) : engine_(engine), store_(engine.store_), number_(engine.flushNumber_ + 1), frozen_(std::move(frozen)) {
    for (const auto& log : frozen_->logs()) {
      if (!log->dropped) logs_.push_back(log.get());
    }
    std::sort(logs_.begin(), logs_.end(), [](const BlockLog* a, const BlockLog* b) { return a->block < b->block; });
  }

  void run() override {
    const auto ingest = store_->ingest();
    const std::vector<const Series*> sorted = sortedSeries(*frozen_);
    try {
      writePages(*ingest, sorted);
      writeRecords(*ingest, sorted);
      writeMeta(*ingest, number_, logs_, answerRows_);
      ingest->prepare();
    } catch (const EngineError& error) {
      // The new tables are thrown away whole; a later flush may find room.
      mayRetry_ = std::string_view(error.code) == "disk_full";
      throw;
    }
    ingest->commit();
    recent_ = recentHeaders(sorted);
  }

  void finish(bool failed) override {
    engine_.endIngest(failed && !mayRetry_);
    if (failed) return;
    engine_.flushNumber_ = number_;
    for (size_t i = 0; i < logs_.size(); i++) {
      BlockState& state = *engine_.blocks_[logs_[i]->block];
      state.flushedIndex = logs_[i]->position.index;
      state.answerRows.insert(state.answerRows.end(), answerRows_[i].begin(), answerRows_[i].end());
    }
    engine_.frozen_.reset();
    leftovers = std::make_shared<Leftovers>(store_, std::move(frozen_), std::move(engine_.recent_[1]));
    engine_.recent_[1] = std::move(engine_.recent_[0]);
    engine_.recent_[0] = std::move(recent_);
    engine_.flushes_++;
  }

 private:
  // The snapshot of the state before has gone by the time that these go, on another thread.
  struct Leftovers {
    Leftovers(std::shared_ptr<SortedStore> flushed, std::shared_ptr<const C0> component, std::shared_ptr<const RecentHeaders> headers)
        : store(std::move(flushed)), component(std::move(component)), headers(std::move(headers)) {}
    ~Leftovers() { store->compactRemovals(); }
    const std::shared_ptr<SortedStore> store;
    const std::shared_ptr<const C0> component;
    const std::shared_ptr<const RecentHeaders> headers;
  };

  Engine& engine_;
  const std::shared_ptr<SortedStore> store_;
  const uint64_t number_;
  std::shared_ptr<const C0> frozen_;
  std::vector<const BlockLog*> logs_;
  std::vector<std::vector<AnswerRowRange>> answerRows_;
  std::shared_ptr<const RecentHeaders> recent_;
  bool mayRetry_ = false;
};

void Engine::rotate() {
  if (frozen_ != nullptr) throwBug("the frozen memory component is not flushed yet");
  for (const auto& log : active_->logs()) {
    if (log->dropped) continue;
    BlockState& state = *blocks_[log->block];
    log->position = state.position;
    size_t expired = 0;
    while (expired < state.answerRows.size() && state.answerRows[expired].lastIndex < state.position.horizon) expired++;
    log->expiredRows.assign(state.answerRows.begin(), state.answerRows.begin() + static_cast<ptrdiff_t>(expired));
    state.answerRows.erase(state.answerRows.begin(), state.answerRows.begin() + static_cast<ptrdiff_t>(expired));
  }
  frozen_ = std::move(active_);
  active_ = std::make_shared<C0>();
  rotation_++;
}

std::unique_ptr<Task> Engine::flushTask() {
  if (frozen_ == nullptr) return nullptr;
  beginIngest();
  return std::make_unique<FlushTask>(*this, frozen_);
}

}  // namespace thermocline
