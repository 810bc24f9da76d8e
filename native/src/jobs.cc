// Work on the thread pool that ends in a promise, and the end of an engine, which waits for it.
#include "addon.h"
#include "install.h"

namespace thermocline {

using js::must;

namespace {

struct Job {
  std::shared_ptr<Handle> handle;
  std::unique_ptr<Task> task;
  Result result = Result::nothing;
  uint16_t block = 0;
  napi_ref buffer = nullptr;
  napi_deferred deferred = nullptr;
  napi_async_work work = nullptr;
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

void runJob(napi_env, void* data) {
  Job& job = *static_cast<Job*>(data);
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
    case Result::position:
      return positionOf(env, job.block, job.handle->engine->findBlock(job.block)->position);
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

// Frees what takes long to free on the thread pool: a memory component is tens of megabytes.
void dropElsewhere(napi_env env, const Handle& handle, std::shared_ptr<const void> leftovers) {
  struct Drop {
    std::shared_ptr<const void> leftovers;
    napi_async_work work = nullptr;
  };
  if (leftovers == nullptr || handle.store->immediate()) return;
  auto drop = std::make_unique<Drop>();
  drop->leftovers = std::move(leftovers);
  napi_value name;
  if (napi_create_string_utf8(env, "thermocline", NAPI_AUTO_LENGTH, &name) != napi_ok) return;
  const napi_async_execute_callback run = [](napi_env, void* data) { static_cast<Drop*>(data)->leftovers.reset(); };
  const napi_async_complete_callback finish = [](napi_env env, napi_status, void* data) {
    napi_delete_async_work(env, static_cast<Drop*>(data)->work);
    delete static_cast<Drop*>(data);
  };
  if (napi_create_async_work(env, nullptr, name, run, finish, drop.get(), &drop->work) != napi_ok) return;
  if (napi_queue_async_work(env, drop->work) == napi_ok) drop.release();
}

void finishJob(napi_env env, napi_status status, void* data) {
  const std::unique_ptr<Job> job(static_cast<Job*>(data));
  if (status != napi_ok) job->failed = true;
  job->task->finish(job->failed);
  try {
    settle(env, *job);
  } catch (const js::Pending&) {
    // The environment is going down: nobody waits for the answer.
  }
  if (job->buffer != nullptr) napi_delete_reference(env, job->buffer);
  if (job->work != nullptr) napi_delete_async_work(env, job->work);
  dropElsewhere(env, *job->handle, std::move(job->task->leftovers));
  job->task.reset();
  job->handle->pending--;
  if (job->handle->pending == 0 && job->handle->closing != nullptr) startClose(env, job->handle);
}

napi_value promiseOfJob(napi_env env, std::unique_ptr<Job> job) {
  napi_value promise;
  must(napi_create_promise(env, &job->deferred, &promise));
  job->handle->pending++;
  Job* raw = job.release();
  const std::shared_ptr<SortedStore> store = raw->handle->store;
  if (store->immediate()) {
    const auto work = [env, raw] {
      runJob(env, raw);
      finishJob(env, napi_ok, raw);
    };
    if (!store->defers(work)) work();
    return promise;
  }
  napi_value name;
  if (napi_create_string_utf8(env, "thermocline", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_create_async_work(env, nullptr, name, runJob, finishJob, raw, &raw->work) != napi_ok || napi_queue_async_work(env, raw->work) != napi_ok) {
    raw->message = "could not queue work on the thread pool";
    finishJob(env, napi_generic_failure, raw);
  }
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

napi_value promiseOf(napi_env env, const std::shared_ptr<Handle>& handle, std::unique_ptr<Task> task, Result result, uint16_t block,
                     napi_value buffer) {
  auto job = std::make_unique<Job>();
  job->handle = handle;
  job->task = std::move(task);
  job->result = result;
  job->block = block;
  if (buffer != nullptr) must(napi_create_reference(env, buffer, 1, &job->buffer));
  return promiseOfJob(env, std::move(job));
}

void startClose(napi_env env, const std::shared_ptr<Handle>& handle) {
  auto job = std::make_unique<Job>();
  job->handle = handle;
  job->task = std::make_unique<CloseTask>(handle);
  job->deferred = handle->closing;
  handle->closing = nullptr;
  handle->pending++;
  Job* raw = job.release();
  napi_value name;
  if (!handle->store->immediate() && napi_create_string_utf8(env, "thermocline", NAPI_AUTO_LENGTH, &name) == napi_ok &&
      napi_create_async_work(env, nullptr, name, runJob, finishJob, raw, &raw->work) == napi_ok &&
      napi_queue_async_work(env, raw->work) == napi_ok) {
    return;
  }
  runJob(env, raw);
  finishJob(env, napi_ok, raw);
}

}  // namespace thermocline
