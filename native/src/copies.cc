// The engine's part in copies of blocks between replicas: it opens snapshots, and takes installed batches over.
#include <algorithm>

#include "install.h"


namespace thermocline {

std::shared_ptr<Snapshot> Engine::snapshotOpen(const std::vector<uint16_t>& blocks) {
  return std::make_shared<Snapshot>(store_, stableSnapshot(), blocks);
}

// Runs one step of a snapshot or an install; `busy` holds off a second one.
template <typename Subject, typename Step>
class StepTask final : public Task {
 public:
  StepTask(std::shared_ptr<Subject> subject, Step step) : subject_(std::move(subject)), step_(std::move(step)) {
    if (subject_->busy) throwBug("a step of this snapshot is under way already");
    subject_->busy = true;
  }
  void run() override { step_(*subject_, result); }
  void finish(bool) override { subject_->busy = false; }

 private:
  const std::shared_ptr<Subject> subject_;
  Step step_;
};

template <typename Subject, typename Step>
std::unique_ptr<Task> stepTask(std::shared_ptr<Subject> subject, Step step) {
  return std::make_unique<StepTask<Subject, Step>>(std::move(subject), std::move(step));
}

std::unique_ptr<Task> Engine::snapshotPlanTask(std::shared_ptr<Snapshot> snapshot) {
  return stepTask(std::move(snapshot), [](Snapshot& from, std::string& result) { result = from.plan(); });
}

std::unique_ptr<Task> Engine::snapshotReadTask(std::shared_ptr<Snapshot> snapshot, size_t maxBytes) {
  return stepTask(std::move(snapshot), [maxBytes](Snapshot& from, std::string& result) { result = from.read(maxBytes); });
}

uint32_t Engine::installBegin(const std::vector<uint16_t>& blocks) {
  expectBatch(blocks);
  for (const uint16_t block : blocks) {
    if (blockState(block).installing) throwBug("a snapshot of block " + std::to_string(block) + " is being installed already");
  }
  auto install = std::make_shared<Install>(store_, blocks, config_.sliceDurationMs);
  for (const uint16_t block : blocks) {
    versions_.raiseGeneration(block);
    blockState(block).installing = true;
  }
  const uint32_t number = ++lastInstall_;
  installs_[number] = std::move(install);
  return number;
}

std::shared_ptr<Install> Engine::installOf(uint32_t number) const {
  const auto found = installs_.find(number);
  if (found == installs_.end()) throwBug("there is no install of number " + std::to_string(number));
  return found->second;
}

std::unique_ptr<Task> Engine::installPartTask(uint32_t number, std::string_view part) {
  return stepTask(installOf(number), [bytes = std::string(part)](Install& into, std::string&) { into.add(bytes); });
}

std::vector<uint16_t> Engine::installBlocks(uint32_t number) const {
  std::vector<uint16_t> blocks;
  for (const Install::Content& content : installOf(number)->contents()) blocks.push_back(content.block);
  return blocks;
}

// The blocks leave both components before the store's new content can be seen.
void Engine::dropFromMemory(const std::vector<uint16_t>& blocks) {
  for (auto& recent : recent_) recent.reset();
  for (const uint16_t block : blocks) {
    BlockState& state = *blocks_[block];
    versions_.raiseGeneration(block);
    if (state.logRotation == rotation_) active_->drop(*state.log);
    if (frozen_ != nullptr) state.droppedRotation = rotation_;
  }
  if (frozen_ == nullptr) return;
  for (const auto& log : frozen_->logs()) {
    if (blocks_[log->block]->installing) log->dropped = log->dropped || std::binary_search(blocks.begin(), blocks.end(), log->block);
  }
}

class InstallEndTask final : public Task {
 public:
  InstallEndTask(Engine& engine, uint32_t number, std::shared_ptr<Install> install)
      : engine_(engine), number_(number), install_(std::move(install)) {}

  void run() override { install_->commit(); }

  void finish(bool failed) override {
    engine_.endIngest(failed);
    engine_.installs_.erase(number_);
    if (failed) return;
    for (const Install::Content& content : install_->contents()) {
      BlockState& state = *engine_.blocks_[content.block];
      // Whatever got into the cache while the store changed below it is not found any more.
      engine_.versions_.raiseGeneration(content.block);
      engine_.requests_.dropBelow(state.answers, UINT64_MAX, state.position.digestKey);
      state.answerRows.clear();
      state.position = content.position;
      state.flushedIndex = state.position.index;
      for (const std::string& row : content.answerRows) engine_.loadAnswerRow(state, row);
      state.installing = false;
      state.broken = false;
    }
  }

 private:
  Engine& engine_;
  const uint32_t number_;
  const std::shared_ptr<Install> install_;
};

std::unique_ptr<Task> Engine::installEndTask(uint32_t number) {
  std::shared_ptr<Install> install = installOf(number);
  if (install->busy) throwBug("an install ends while a part of it is under way");
  if (!install->isPrepared()) throwBug("an install ends before the end of its snapshot");
  beginIngest();
  dropFromMemory(installBlocks(number));
  return std::make_unique<InstallEndTask>(*this, number, std::move(install));
}

void Engine::installAbort(uint32_t number) {
  const auto found = installs_.find(number);
  if (found == installs_.end()) return;
  for (const Install::Content& content : found->second->contents()) blocks_[content.block]->installing = false;
  installs_.erase(found);
}

// Merges small neighbouring tables; see `SortedStore::tidy`.
class TidyTask final : public Task {
 public:
  explicit TidyTask(std::shared_ptr<SortedStore> store) : store_(std::move(store)) {}
  void run() override { store_->tidy(); }

 private:
  const std::shared_ptr<SortedStore> store_;
};

std::unique_ptr<Task> Engine::tidyTask() { return std::make_unique<TidyTask>(store_); }

}  // namespace thermocline
