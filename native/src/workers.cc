#include "workers.h"

#include <chrono>

#include "js.h"

namespace thermocline {
namespace {

using js::must;

constexpr size_t kThreads[kPools] = {4, 1, 2, 1, 1, 1, 1, 1};
// Results that wait to be taken by the environment's thread. One more per thread may be made.
constexpr size_t kMostDoneBytes = 32 * 1024 * 1024;

}  // namespace

Workers::Workers(napi_env env) : env_(env) {
  async_.data = this;
  must(napi_add_async_cleanup_hook(env, &Workers::tearDown, this, nullptr));
}

// The loop's handle is made with the first work: an environment that has none need not wait for it to close.
void Workers::start() {
  if (isStarted_) return;
  uv_loop_t* loop = nullptr;
  must(napi_get_uv_event_loop(env_, &loop));
  must(napi_async_init(env_, nullptr, js::text(env_, "thermocline"), &context_));
  if (uv_async_init(loop, &async_, [](uv_async_t* async) { static_cast<Workers*>(async->data)->finishDone(); }) != 0) {
    throw EngineError(ErrorKind::error, "internal", "no handle of the event loop");
  }
  // Only work under way keeps the process from ending.
  uv_unref(reinterpret_cast<uv_handle_t*>(&async_));
  isStarted_ = true;
}

void Workers::post(Pool number, std::unique_ptr<Work> work) {
  start();
  PoolState& pool = pools_[static_cast<size_t>(number)];
  const bool rests = number == Pool::walks;
  while (pool.threads.size() < kThreads[static_cast<size_t>(number)]) pool.threads.emplace_back([this, &pool, rests] { serve(pool, rests); });
  Item item;
  item.postedBytes = work->bytes();
  item.pool = static_cast<size_t>(number);
  item.work = std::move(work);
  pool.pending++;
  pool.pendingBytes += item.postedBytes;
  if (unfinished_++ == 0) uv_ref(reinterpret_cast<uv_handle_t*>(&async_));
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    pool.waiting.push_back(std::move(item));
  }
  pool.wake.notify_one();
}

void Workers::serve(PoolState& pool, bool rests) {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    pool.wake.wait(lock, [&] { return isStopping_ || (!pool.waiting.empty() && doneBytes_ <= kMostDoneBytes); });
    if (isStopping_) return;
    Item item = std::move(pool.waiting.front());
    pool.waiting.pop_front();
    lock.unlock();
    const auto began = std::chrono::steady_clock::now();
    item.work->run();
    const auto took = std::chrono::steady_clock::now() - began;
    item.doneBytes = item.work->bytes();
    lock.lock();
    doneBytes_ += item.doneBytes;
    done_.push_back(std::move(item));
    uv_async_send(&async_);
    if (!rests) continue;
    // A lower priority would not do: a thread that does not get a processor may hold what the event loop waits for.
    lock.unlock();
    std::this_thread::sleep_for(took);
    lock.lock();
  }
}

void Workers::finishDone() {
  std::vector<Item> done;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    done.swap(done_);
  }
  size_t bytes = 0;
  for (Item& item : done) {
    bytes += item.doneBytes;
    pools_[item.pool].pending--;
    pools_[item.pool].pendingBytes -= item.postedBytes;
    if (--unfinished_ == 0) uv_unref(reinterpret_cast<uv_handle_t*>(&async_));
    napi_handle_scope handles;
    napi_callback_scope scope;
    napi_value resource;
    if (napi_open_handle_scope(env_, &handles) != napi_ok) continue;
    if (napi_create_object(env_, &resource) == napi_ok && napi_open_callback_scope(env_, resource, context_, &scope) == napi_ok) {
      item.work->finish();
      napi_close_callback_scope(env_, scope);
    }
    item.work.reset();
    napi_close_handle_scope(env_, handles);
  }
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    doneBytes_ -= bytes;
  }
  for (PoolState& pool : pools_) pool.wake.notify_all();
}

void Workers::stop() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    isStopping_ = true;
  }
  for (PoolState& pool : pools_) {
    pool.wake.notify_all();
    for (std::thread& thread : pool.threads) {
      if (thread.joinable()) thread.join();
    }
  }
  for (PoolState& pool : pools_) pool.waiting.clear();
  done_.clear();
}

void Workers::tearDown(napi_async_cleanup_hook_handle hook, void* data) {
  auto* workers = static_cast<Workers*>(data);
  workers->stop();
  if (!workers->isStarted_) {
    napi_remove_async_cleanup_hook(hook);
    delete workers;
    return;
  }
  workers->hook_ = hook;
  uv_close(reinterpret_cast<uv_handle_t*>(&workers->async_), [](uv_handle_t* async) {
    auto* closed = static_cast<Workers*>(async->data);
    napi_remove_async_cleanup_hook(closed->hook_);
    delete closed;
  });
}

}  // namespace thermocline
