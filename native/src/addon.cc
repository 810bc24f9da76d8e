// The glue between JavaScript and the engine: handles, argument checks, and work on the thread pool.
//
// An engine is known to JavaScript by a number, looked up in this environment's table: a stale or foreign number is an
// error, never a wild pointer. Work that runs elsewhere holds the engine until it is finished; `close` waits for it. When
// the environment goes down Node finishes pending work first and then lets the table go, and with it every engine.
#include <unordered_map>

#include "file_lock.h"
#include "install.h"
#include "js.h"
#include "log_writer.h"

namespace thermocline {
namespace {

using js::Arguments;
using js::must;

constexpr int kNeedsIo = -1;
// Each open snapshot keeps old tables from being deleted.
constexpr size_t kMostSnapshots = 64;
constexpr napi_type_tag kStoreTag = {0x7d0c1f5a2b984e63, 0x91b3a6c4e8d75f20};

struct Handle {
  // Declared first, so that it goes last: the engine and what it handed out refer to it.
  std::shared_ptr<SortedStore> store;
  std::unique_ptr<Engine> engine;
  std::unordered_map<uint32_t, std::shared_ptr<Snapshot>> snapshots;
  uint32_t nextSnapshot = 1;
  uint32_t pending = 0;
  napi_deferred closing = nullptr;
};

struct Instance {
  std::unordered_map<uint32_t, std::shared_ptr<Handle>> handles;
  uint32_t next = 1;
};

Instance& instanceOf(napi_env env) {
  void* data = nullptr;
  must(napi_get_instance_data(env, &data));
  return *static_cast<Instance*>(data);
}

const std::shared_ptr<Handle>& handleOf(napi_env env, uint32_t number) {
  const Instance& instance = instanceOf(env);
  const auto found = instance.handles.find(number);
  if (found == instance.handles.end()) throw EngineError(ErrorKind::error, "ERR_ENGINE_CLOSED", "the engine is closed");
  return found->second;
}

template <size_t N>
Engine& engineOf(napi_env env, const Arguments<N>& arguments) {
  return *handleOf(env, arguments.u32(0, "engine"))->engine;
}

// ---- Work that ends in a promise

enum class Result { nothing, bytes, intoBuffer, position };

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

napi_value positionOf(napi_env env, uint16_t block, const Position& position) {
  napi_value object;
  must(napi_create_object(env, &object));
  js::set(env, object, "block", js::number(env, block));
  js::set(env, object, "index", js::number(env, static_cast<double>(position.index)));
  js::set(env, object, "valueId", js::bytes(env, {reinterpret_cast<const char*>(position.valueId.data()), kValueIdBytes}));
  js::set(env, object, "horizon", js::number(env, static_cast<double>(position.horizon)));
  return object;
}

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

void startClose(napi_env env, const std::shared_ptr<Handle>& handle);

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

// Runs a task for a promise: at once if the store never waits, so that a simulated run stays in one thread.
napi_value promiseOf(napi_env env, std::unique_ptr<Job> job) {
  napi_value promise;
  must(napi_create_promise(env, &job->deferred, &promise));
  job->handle->pending++;
  Job* raw = job.release();
  if (raw->handle->store->immediate()) {
    runJob(env, raw);
    finishJob(env, napi_ok, raw);
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

napi_value promiseOf(napi_env env, const std::shared_ptr<Handle>& handle, std::unique_ptr<Task> task, Result result, uint16_t block = 0,
                     napi_value buffer = nullptr) {
  auto job = std::make_unique<Job>();
  job->handle = handle;
  job->task = std::move(task);
  job->result = result;
  job->block = block;
  if (buffer != nullptr) must(napi_create_reference(env, buffer, 1, &job->buffer));
  return promiseOf(env, std::move(job));
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

// ---- Opening and closing

napi_value createStore(napi_env env, napi_callback_info) {
  return js::guarded(env, [&] {
    auto store = std::make_unique<std::shared_ptr<SortedStore>>(createMemoryStore());
    napi_value external;
    must(napi_create_external(
        env, store.get(), [](napi_env, void* data, void*) { delete static_cast<std::shared_ptr<SortedStore>*>(data); }, nullptr, &external));
    store.release();
    must(napi_type_tag_object(env, external, &kStoreTag));
    return external;
  });
}

napi_value property(napi_env env, napi_value object, const char* name) {
  napi_value value;
  if (napi_get_named_property(env, object, name, &value) != napi_ok) js::throwType("options", "an object");
  return value;
}

bool isUndefined(napi_env env, napi_value value) {
  napi_valuetype type;
  must(napi_typeof(env, value, &type));
  return type == napi_undefined;
}

std::string optionalText(napi_env env, napi_value options, const char* name) {
  const napi_value value = property(env, options, name);
  return isUndefined(env, value) ? std::string() : js::toText(env, value, name);
}

EngineConfig configOf(napi_env env, napi_value options) {
  EngineConfig config;
  config.path = optionalText(env, options, "path");
  config.versionCachePath = optionalText(env, options, "versionCachePath");
  config.incarnation = js::toText(env, property(env, options, "incarnation"), "incarnation");
  config.sliceDurationMs = js::toIndex(env, property(env, options, "sliceDurationMs"), "sliceDurationMs");
  config.memtableBytes = js::toIndex(env, property(env, options, "memtableBytes"), "memtableBytes");
  config.blockCacheBytes = js::toIndex(env, property(env, options, "blockCacheBytes"), "blockCacheBytes");
  config.versionCacheBytes = js::toIndex(env, property(env, options, "versionCacheBytes"), "versionCacheBytes");
  const napi_value verify = property(env, options, "verifyOldRecords");
  if (!isUndefined(env, verify)) must(napi_get_value_bool(env, verify, &config.verifyOldRecords));
  if (config.sliceDurationMs == 0 || config.sliceDurationMs > kSliceMask) {
    throw EngineError(ErrorKind::range, "ERR_OUT_OF_RANGE", "sliceDurationMs must be within 1 to 2^48 - 1");
  }
  return config;
}

std::shared_ptr<SortedStore> storeOf(napi_env env, napi_value value, const EngineConfig& config) {
  if (isUndefined(env, value)) return config.path.empty() ? createMemoryStore() : openRocksStore(config.path, config.blockCacheBytes);
  bool tagged = false;
  void* data = nullptr;
  if (napi_check_object_type_tag(env, value, &kStoreTag, &tagged) != napi_ok || !tagged ||
      napi_get_value_external(env, value, &data) != napi_ok) {
    js::throwType("store", "one that createMemoryStore made");
  }
  if (!config.path.empty()) throw EngineError(ErrorKind::type, "ERR_INVALID_ARG_VALUE", "an engine takes a path or a memory store, not both");
  return *static_cast<std::shared_ptr<SortedStore>*>(data);
}

napi_value open(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<2> arguments(env, info);
    const EngineConfig config = configOf(env, arguments[0]);
    auto handle = std::make_shared<Handle>();
    handle->store = storeOf(env, arguments[1], config);
    handle->engine = std::make_unique<Engine>(config, handle->store);
    Instance& instance = instanceOf(env);
    const uint32_t number = instance.next++;
    instance.handles.emplace(number, std::move(handle));
    return js::number(env, number);
  });
}

napi_value close(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<1> arguments(env, info);
    const uint32_t number = arguments.u32(0, "engine");
    const std::shared_ptr<Handle> handle = handleOf(env, number);
    napi_value promise;
    must(napi_create_promise(env, &handle->closing, &promise));
    instanceOf(env).handles.erase(number);
    if (handle->pending == 0) startClose(env, handle);
    return promise;
  });
}

// ---- Apply and reads

napi_value apply(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<4> arguments(env, info);
    Engine& engine = engineOf(env, arguments);
    const js::Span batch = arguments.bytes(1, "batch");
    const uint32_t length = arguments.u32(2, "length");
    const js::Span answers = arguments.bytes(3, "answers");
    if (length > batch.size) throw EngineError(ErrorKind::range, "ERR_OUT_OF_RANGE", "length passes the end of batch");
    return js::number(env, static_cast<double>(engine.apply(batch.data, length, answers.data, answers.size)));
  });
}

using ReadMethod = void (Engine::*)(uint16_t, std::string_view, Sink&);
using TaskMethod = std::unique_ptr<Task> (Engine::*)(uint16_t, std::string_view);

// (engine, block, request, offset, length, out[, outOffset]) → bytes written, NEEDS_IO, or −2 − bytes needed.
template <ReadMethod method>
napi_value read(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<7> arguments(env, info);
    Engine& engine = engineOf(env, arguments);
    const uint16_t block = arguments.block(1);
    const std::string_view request = arguments.part(2, "request");
    const js::Span out = arguments.bytes(5, "out");
    const uint32_t offset = arguments.u32(6, "outOffset");
    if (offset > out.size) throw EngineError(ErrorKind::range, "ERR_OUT_OF_RANGE", "outOffset passes the end of out");
    Sink sink(out.data + offset, out.size - offset);
    try {
      (engine.*method)(block, request, sink);
    } catch (const NeedsIo&) {
      engine.countRead(true);
      return js::number(env, kNeedsIo);
    }
    engine.countRead(false);
    const double length = static_cast<double>(sink.length());
    return js::number(env, sink.fits() ? length : -2 - length);
  });
}

// (engine, block, request, offset, length) → promise of bytes.
template <TaskMethod method>
napi_value readAsync(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<5> arguments(env, info);
    const std::shared_ptr<Handle> handle = handleOf(env, arguments.u32(0, "engine"));
    const uint16_t block = arguments.block(1);
    return promiseOf(env, handle, (*handle->engine.*method)(block, arguments.part(2, "request")), Result::bytes);
  });
}

napi_value peekAsync(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<6> arguments(env, info);
    const std::shared_ptr<Handle> handle = handleOf(env, arguments.u32(0, "engine"));
    const uint16_t block = arguments.block(1);
    arguments.bytes(5, "out");
    return promiseOf(env, handle, handle->engine->peekTask(block, arguments.part(2, "request")), Result::intoBuffer, block, arguments[5]);
  });
}

// (engine, request, offset, length, needs, count, out) → bytes written, or −2 − bytes needed.
napi_value validate(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<7> arguments(env, info);
    Engine& engine = engineOf(env, arguments);
    const std::string_view request = arguments.part(1, "request");
    const js::Doubles needs = arguments.doubles(4, "needs");
    const uint32_t count = arguments.u32(5, "count");
    const js::Span out = arguments.bytes(6, "out");
    if (count > needs.size) throw EngineError(ErrorKind::range, "ERR_OUT_OF_RANGE", "count passes the end of needs");
    Sink sink(out.data, out.size);
    engine.validate(request, needs.data, count, sink);
    const double length = static_cast<double>(sink.length());
    return js::number(env, sink.fits() ? length : -2 - length);
  });
}

// (engine, request, offset, length) → promise of bytes.
napi_value validateAsync(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<4> arguments(env, info);
    const std::shared_ptr<Handle> handle = handleOf(env, arguments.u32(0, "engine"));
    return promiseOf(env, handle, handle->engine->validateTask(arguments.part(1, "request")), Result::bytes);
  });
}

// ---- State of blocks

napi_value positions(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<1> arguments(env, info);
    const Engine& engine = engineOf(env, arguments);
    napi_value list;
    must(napi_create_array(env, &list));
    uint32_t count = 0;
    for (const BlockState* state : engine.blocks()) {
      if (state->position.index == 0) continue;
      must(napi_set_element(env, list, count++, positionOf(env, state->block, state->position)));
    }
    return list;
  });
}

napi_value appliedIndex(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<2> arguments(env, info);
    const BlockState* state = engineOf(env, arguments).findBlock(arguments.block(1));
    return js::number(env, state == nullptr ? 0 : static_cast<double>(state->position.index));
  });
}

napi_value flushedIndex(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<2> arguments(env, info);
    const BlockState* state = engineOf(env, arguments).findBlock(arguments.block(1));
    return js::number(env, state == nullptr ? 0 : static_cast<double>(state->flushedIndex));
  });
}

napi_value flushNumber(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<1> arguments(env, info);
    return js::number(env, static_cast<double>(engineOf(env, arguments).flushNumber()));
  });
}

napi_value digest(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<2> arguments(env, info);
    const BlockState* state = engineOf(env, arguments).findBlock(arguments.block(1));
    char hex[17];
    snprintf(hex, sizeof hex, "%016llx", state == nullptr ? 0ULL : static_cast<unsigned long long>(state->position.digest));
    return js::text(env, hex);
  });
}

napi_value requestTable(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<2> arguments(env, info);
    const Engine& engine = engineOf(env, arguments);
    const BlockState* state = engine.findBlock(arguments.block(1));
    napi_value object;
    must(napi_create_object(env, &object));
    js::set(env, object, "answers", js::number(env, state == nullptr ? 0 : state->answers.count));
    js::set(env, object, "oldestIndex", js::number(env, state == nullptr ? 0 : static_cast<double>(engine.requests().oldestIndex(state->answers))));
    js::set(env, object, "horizon", js::number(env, state == nullptr ? 0 : static_cast<double>(state->position.horizon)));
    return object;
  });
}

napi_value proposeHorizon(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<4> arguments(env, info);
    const Engine& engine = engineOf(env, arguments);
    return js::number(env, static_cast<double>(engine.proposeHorizon(arguments.block(1), arguments.u32(2, "maxAnswers"),
                                                                     arguments.index(3, "beforeMs"))));
  });
}

// ---- Flush, snapshots, installs

napi_value rotationDue(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<1> arguments(env, info);
    napi_value due;
    must(napi_get_boolean(env, engineOf(env, arguments).rotationDue(), &due));
    return due;
  });
}

napi_value rotate(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<1> arguments(env, info);
    engineOf(env, arguments).rotate();
    return js::undefined(env);
  });
}

napi_value flush(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<1> arguments(env, info);
    const std::shared_ptr<Handle> handle = handleOf(env, arguments.u32(0, "engine"));
    std::unique_ptr<Task> task = handle->engine->flushTask();
    if (task == nullptr) return js::undefined(env);
    return promiseOf(env, handle, std::move(task), Result::nothing);
  });
}

napi_value snapshotOpen(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<2> arguments(env, info);
    const std::shared_ptr<Handle>& handle = handleOf(env, arguments.u32(0, "engine"));
    if (handle->snapshots.size() >= kMostSnapshots) {
      throw EngineError(ErrorKind::error, "overloaded", "there are " + std::to_string(kMostSnapshots) + " snapshots open already");
    }
    std::shared_ptr<Snapshot> snapshot = handle->engine->snapshotOpen(arguments.block(1));
    if (snapshot == nullptr) return js::undefined(env);
    const Position position = snapshot->position;
    const uint32_t number = handle->nextSnapshot++;
    handle->snapshots.emplace(number, std::move(snapshot));
    const napi_value head = positionOf(env, arguments.block(1), position);
    js::set(env, head, "handle", js::number(env, number));
    return head;
  });
}

napi_value snapshotRead(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<3> arguments(env, info);
    const std::shared_ptr<Handle> handle = handleOf(env, arguments.u32(0, "engine"));
    const auto found = handle->snapshots.find(arguments.u32(1, "snapshot"));
    if (found == handle->snapshots.end()) throwBug("there is no open snapshot of that number");
    return promiseOf(env, handle, Engine::snapshotReadTask(found->second, arguments.u32(2, "maxBytes")), Result::bytes);
  });
}

napi_value snapshotClose(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<2> arguments(env, info);
    handleOf(env, arguments.u32(0, "engine"))->snapshots.erase(arguments.u32(1, "snapshot"));
    return js::undefined(env);
  });
}

napi_value installBegin(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<2> arguments(env, info);
    engineOf(env, arguments).installBegin(arguments.block(1));
    return js::undefined(env);
  });
}

napi_value installPart(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<3> arguments(env, info);
    const std::shared_ptr<Handle> handle = handleOf(env, arguments.u32(0, "engine"));
    const js::Span part = arguments.bytes(2, "part");
    std::unique_ptr<Task> task = handle->engine->installPartTask(arguments.block(1), {reinterpret_cast<const char*>(part.data), part.size});
    return promiseOf(env, handle, std::move(task), Result::nothing);
  });
}

napi_value installEnd(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<2> arguments(env, info);
    const std::shared_ptr<Handle> handle = handleOf(env, arguments.u32(0, "engine"));
    const uint16_t block = arguments.block(1);
    return promiseOf(env, handle, handle->engine->installEndTask(block), Result::position, block);
  });
}

napi_value installAbort(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<2> arguments(env, info);
    engineOf(env, arguments).installAbort(arguments.block(1));
    return js::undefined(env);
  });
}

// ---- Figures

napi_value stats(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<1> arguments(env, info);
    napi_value object;
    must(napi_create_object(env, &object));
    engineOf(env, arguments).figures([&](const std::string& name, double value) { js::set(env, object, name.c_str(), js::number(env, value)); });
    return object;
  });
}

napi_value storeOptions(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<1> arguments(env, info);
    napi_value object;
    must(napi_create_object(env, &object));
    for (const auto& [name, text] : engineOf(env, arguments).store().options()) js::set(env, object, name.c_str(), js::text(env, text));
    return object;
  });
}

napi_value initialise(napi_env env, napi_value exports) {
  return js::guarded(env, [&] {
    must(napi_set_instance_data(
        env, new Instance(), [](napi_env, void* data, void*) { delete static_cast<Instance*>(data); }, nullptr));
    const std::pair<const char*, napi_callback> functions[] = {
        {"createMemoryStore", createStore},
        {"open", open},
        {"close", close},
        {"apply", apply},
        {"peek", read<&Engine::peek>},
        {"get", read<&Engine::get>},
        {"scan", read<&Engine::scan>},
        {"pageVersions", read<&Engine::pageVersions>},
        {"validate", validate},
        {"validateAsync", validateAsync},
        {"peekAsync", peekAsync},
        {"getAsync", readAsync<&Engine::getTask>},
        {"scanAsync", readAsync<&Engine::scanTask>},
        {"pageVersionsAsync", readAsync<&Engine::pageVersionsTask>},
        {"positions", positions},
        {"appliedIndex", appliedIndex},
        {"flushedIndex", flushedIndex},
        {"flushNumber", flushNumber},
        {"digest", digest},
        {"requestTable", requestTable},
        {"proposeHorizon", proposeHorizon},
        {"rotationDue", rotationDue},
        {"rotate", rotate},
        {"flush", flush},
        {"snapshotOpen", snapshotOpen},
        {"snapshotRead", snapshotRead},
        {"snapshotClose", snapshotClose},
        {"installBegin", installBegin},
        {"installPart", installPart},
        {"installEnd", installEnd},
        {"installAbort", installAbort},
        {"stats", stats},
        {"storeOptions", storeOptions},
        {"lockFile", lockFile},
    };
    for (const auto& [name, function] : functions) {
      napi_value value;
      must(napi_create_function(env, name, NAPI_AUTO_LENGTH, function, nullptr, &value));
      js::set(env, exports, name, value);
    }
    addLogWriter(env, exports);
    return exports;
  });
}

}  // namespace
}  // namespace thermocline

NAPI_MODULE_INIT() { return thermocline::initialise(env, exports); }
