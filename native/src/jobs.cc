// Work on the addon's threads that ends in a promise, and the end of an engine, which waits for it.
#include "addon.h"
#include "install.h"

namespace thermocline {

using js::must;

namespace {

// Reads of clients that wait for a thread or are under way, and what they hold: beyond it they are refused. The threads need some tenths of
// a millisecond for each from a fast disk, so that the last one waits for a fraction of a second.
constexpr size_t kMostPendingReads = 1024;
constexpr size_t kMostPendingReadBytes = 64 * 1024 * 1024;
// Walks take some milliseconds each, one after the other.
constexpr size_t kMostPendingWalks = 256;

struct Job {
  napi_env env = nullptr;
  std::shared_ptr<Handle> handle;
  std::unique_ptr<Task> task;
  Result result = Result::nothing;
  // Whose positions it results in.
  std::vector<uint16_t> blocks;
  napi_ref buffer = nullptr;
  napi_deferred deferred = nullptr;
  bool failed = false;
  ErrorKind kind = ErrorKind::error;
  const char* code = "internal";
  std::string message;
};

}  // namespace

napi_value positionOf(napi_env env, uint16_t block, const Position& position) {
  napi_value object;
  must(napi_create_object(env, &object));
  js::set(env, object, "block", js::number(env, block));
  js::set(env, object, "index", js::number(env, static_cast<double>(position.index)));
  js::set(env, object, "valueId", js::bytes(env, {reinterpret_cast<const char*>(position.valueId.data()), kValueIdBytes}));
  js::set(env, object, "horizon", js::number(env, static_cast<double>(position.horizon)));
  return object;
}

namespace {

void runJob(Job& job) {
  try {
    job.task->run();
  } catch (const EngineError& error) {
    job.failed = true;
    job.kind = error.kind;
    job.code = error.code;
    job.message = error.what();
  } catch (const std::exception& error) {
    job.failed = true;
    job.message = error.what();
  } catch (const NeedsIo&) {
    job.failed = true;
    job.message = "a read from disk was refused the disk";
  }
}

napi_value resultOf(napi_env env, Job& job) {
  const std::string& bytes = job.task->result;
  switch (job.result) {
    case Result::nothing:
      break;
    case Result::bytes:
      return js::bytes(env, bytes);
    case Result::positions: {
      napi_value list;
      must(napi_create_array_with_length(env, job.blocks.size(), &list));
      for (uint32_t i = 0; i < job.blocks.size(); i++) {
        must(napi_set_element(env, list, i, positionOf(env, job.blocks[i], job.handle->engine->findBlock(job.blocks[i])->position)));
      }
      return list;
    }
    case Result::intoBuffer: {
      napi_value buffer;
      must(napi_get_reference_value(env, job.buffer, &buffer));
      const js::Span out = js::toBytes(env, buffer, "out");
      if (bytes.size() > out.size) throw EngineError(ErrorKind::range, "ERR_OUT_OF_RANGE", "out is too small for the answer");
      memcpy(out.data, bytes.data(), bytes.size());
      return js::number(env, static_cast<double>(bytes.size()));
    }
  }
  return js::undefined(env);
}

void settle(napi_env env, Job& job) {
  if (!job.failed) {
    try {
      const napi_value value = resultOf(env, job);
      must(napi_resolve_deferred(env, job.deferred, value));
      return;
    } catch (const EngineError& error) {
      job.kind = error.kind;
      job.code = error.code;
      job.message = error.what();
    }
  }
  must(napi_reject_deferred(env, job.deferred, js::errorOf(env, job.kind, job.code, job.message.c_str())));
}

// Frees what takes long to free on another thread: a memory component is tens of megabytes.
class Drop final : public Work {
 public:
  explicit Drop(std::shared_ptr<const void> leftovers) : leftovers_(std::move(leftovers)) {}
  void run() override { leftovers_.reset(); }
  void finish() override {}

 private:
  std::shared_ptr<const void> leftovers_;
};

void finishJob(std::unique_ptr<Job> job) {
  const napi_env env = job->env;
  job->task->finish(job->failed);
  try {
    settle(env, *job);
  } catch (const js::Pending&) {
    // The environment is going down: nobody waits for the answer.
  }
  if (job->buffer != nullptr) napi_delete_reference(env, job->buffer);
  std::shared_ptr<const void> leftovers = std::move(job->task->leftovers);
  const std::shared_ptr<Handle> handle = std::move(job->handle);
  if (leftovers != nullptr && !handle->store->immediate()) instanceOf(env).workers->post(Pool::flush, std::make_unique<Drop>(std::move(leftovers)));
  job.reset();
  handle->pending--;
  if (handle->pending == 0 && handle->closing != nullptr) startClose(env, handle);
}

class JobWork final : public Work {
 public:
  explicit JobWork(std::unique_ptr<Job> job) : job_(std::move(job)) {}
  void run() override { runJob(*job_); }
  void finish() override { finishJob(std::move(job_)); }
  size_t bytes() const override { return job_->task->heldBytes() + job_->task->result.size(); }

 private:
  std::unique_ptr<Job> job_;
};

void refuseReads(const Workers& workers, Pool pool) {
  const size_t pending = workers.pending(pool);
  const size_t bytes = workers.pendingBytes(pool);
  const size_t most = pool == Pool::walks ? kMostPendingWalks : kMostPendingReads;
  if (pending < most && bytes < kMostPendingReadBytes) return;
  const char* what = pool == Pool::walks ? " reads that step over removals" : " reads from disk";
  throw EngineError(ErrorKind::error, "overloaded",
                    std::to_string(pending) + what + " are under way, which hold " + std::to_string(bytes) + " bytes; the limits are " +
                        std::to_string(most) + " and " + std::to_string(kMostPendingReadBytes));
}

napi_value promiseOfJob(napi_env env, Pool pool, std::unique_ptr<Job> job) {
  const std::shared_ptr<SortedStore> store = job->handle->store;
  Workers& workers = *instanceOf(env).workers;
  napi_value promise;
  must(napi_create_promise(env, &job->deferred, &promise));
  job->handle->pending++;
  if (!store->immediate()) {
    workers.post(pool, std::make_unique<JobWork>(std::move(job)));
    return promise;
  }
  // In the closure as a pointer, for a std::function must be copyable; it runs once.
  Job* raw = job.release();
  const auto work = [raw] {
    runJob(*raw);
    finishJob(std::unique_ptr<Job>(raw));
  };
  if (!store->defers(work)) work();
  return promise;
}

class CloseTask final : public Task {
 public:
  explicit CloseTask(const std::shared_ptr<Handle>& handle) : handle_(handle) {}
  void run() override {
    handle_->snapshots.clear();
    handle_->engine.reset();
    handle_->store.reset();
  }

 private:
  const std::shared_ptr<Handle> handle_;
};

}  // namespace

void expectRoom(napi_env env, Pool pool, const Handle& handle) {
  if (!handle.store->immediate()) refuseReads(*instanceOf(env).workers, pool);
}

napi_value promiseOf(napi_env env, Pool pool, const std::shared_ptr<Handle>& handle, std::unique_ptr<Task> task, Result result, napi_value buffer,
                     std::vector<uint16_t> blocks) {
  auto job = std::make_unique<Job>();
  job->env = env;
  job->handle = handle;
  job->task = std::move(task);
  job->result = result;
  job->blocks = std::move(blocks);
  if (buffer != nullptr) must(napi_create_reference(env, buffer, 1, &job->buffer));
  return promiseOfJob(env, pool, std::move(job));
}

void startClose(napi_env env, const std::shared_ptr<Handle>& handle) {
  auto job = std::make_unique<Job>();
  job->env = env;
  job->handle = handle;
  job->task = std::make_unique<CloseTask>(handle);
  job->deferred = handle->closing;
  handle->closing = nullptr;
  handle->pending++;
  if (!handle->store->immediate()) {
    instanceOf(env).workers->post(Pool::flush, std::make_unique<JobWork>(std::move(job)));
    return;
  }
  runJob(*job);
  finishJob(std::move(job));
}

}  // namespace thermocline
