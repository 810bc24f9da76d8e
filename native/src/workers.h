// Threads of the addon's own for work that may wait for a disk, a pool for each kind: what one kind waits for, no other does. (The
// pool that comes with Node is small, and file system calls, name look-ups and compression share it.) A pool's threads start with
// its first work.
//
//     reads      of clients: bounded, and refused beyond it
//     walks      reads that step over much (steps.h), which take a processor more than a disk: bounded likewise, one at a time, and each
//                is followed by a rest as long as itself, so that half a processor is all they take
//     peeks      of old records, for writes that are about to be proposed
//     flush      tables of a frozen memory component; the end of an engine
//     install    parts of a snapshot from a peer, and its end
//     snapshots  parts of a snapshot for a peer
//     log        a log write that the kernel would not take without waiting
//     tidy       merging of small tables, which may take long
//
// Work is posted by the environment's thread and finished there; `run` alone is elsewhere.
#pragma once

#include <node_api.h>
#include <uv.h>

#include <array>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace thermocline {

enum class Pool { reads = 0, walks, peeks, flush, install, snapshots, log, tidy };
constexpr size_t kPools = 8;

class Work {
 public:
  virtual ~Work() = default;
  // On a thread of the pool. Must not throw.
  virtual void run() = 0;
  // On the environment's thread, in a callback scope of its own.
  virtual void finish() = 0;
  // What it holds: while it waits to run, and once it has.
  virtual size_t bytes() const { return 0; }
};

class Workers {
 public:
  // Ends with the environment: what runs then is waited for, what waits is dropped.
  explicit Workers(napi_env env);
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  void post(Pool pool, std::unique_ptr<Work> work);
  // Waits for what runs and drops what waits; nothing runs afterwards. To be called before the process exits: what its libraries hold goes
  // then, whoever still uses it.
  void stop();
  // Work of the pool that has not been finished, and the bytes that it held when it was posted.
  size_t pending(Pool pool) const { return pools_[static_cast<size_t>(pool)].pending; }
  size_t pendingBytes(Pool pool) const { return pools_[static_cast<size_t>(pool)].pendingBytes; }

 private:
  struct Item {
    std::unique_ptr<Work> work;
    size_t postedBytes = 0;
    size_t doneBytes = 0;
    size_t pool = 0;
  };
  struct PoolState {
    // Under the mutex.
    std::deque<Item> waiting;
    std::condition_variable wake;
    std::vector<std::thread> threads;
    // The environment's thread alone.
    size_t pending = 0;
    size_t pendingBytes = 0;
  };
  ~Workers() = default;

  void start();
  void serve(PoolState& pool, bool rests);
  void finishDone();
  static void tearDown(napi_async_cleanup_hook_handle hook, void* data);

  napi_env env_;
  napi_async_context context_ = nullptr;
  napi_async_cleanup_hook_handle hook_ = nullptr;
  uv_async_t async_ = {};
  bool isStarted_ = false;
  size_t unfinished_ = 0;

  std::mutex mutex_;
  std::array<PoolState, kPools> pools_;
  std::vector<Item> done_;
  // Of what has run and is not finished: threads wait while it is too much.
  size_t doneBytes_ = 0;
  bool isStopping_ = false;
};

}  // namespace thermocline
