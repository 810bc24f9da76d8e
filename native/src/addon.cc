// The addon: its functions, and the opening and closing of engines.
#include "addon.h"
#include "file_lock.h"
#include "log_writer.h"
#include "sockets.h"

namespace thermocline {

using js::Arguments;
using js::must;

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

napi_value property(napi_env env, napi_value object, const char* name) {
  napi_value value;
  if (napi_get_named_property(env, object, name, &value) != napi_ok) js::throwType("options", "an object");
  return value;
}

static bool isUndefined(napi_env env, napi_value value) {
  napi_valuetype type;
  must(napi_typeof(env, value, &type));
  return type == napi_undefined;
}

std::string optionalText(napi_env env, napi_value options, const char* name) {
  const napi_value value = property(env, options, name);
  return isUndefined(env, value) ? std::string() : js::toText(env, value, name);
}

static uint64_t optionalIndex(napi_env env, napi_value options, const char* name, uint64_t otherwise) {
  const napi_value value = property(env, options, name);
  return isUndefined(env, value) ? otherwise : js::toIndex(env, value, name);
}

std::optional<HashKey> optionalHashKey(napi_env env, napi_value options) {
  const napi_value value = property(env, options, "hashKey");
  if (isUndefined(env, value)) return std::nullopt;
  const js::Span bytes = js::toBytes(env, value, "hashKey");
  if (bytes.size != sizeof(HashKey)) throw EngineError(ErrorKind::range, "ERR_OUT_OF_RANGE", "hashKey must have 16 bytes");
  return HashKey{loadU64(bytes.data), loadU64(bytes.data + 8)};
}

namespace {

constexpr napi_type_tag kStoreTag = {0x7d0c1f5a2b984e63, 0x91b3a6c4e8d75f20};

napi_value createStore(napi_env env, napi_callback_info) {
  return js::guarded(env, [&] {
    auto store = std::make_unique<std::shared_ptr<DeferringStore>>(createMemoryStore());
    napi_value external;
    must(napi_create_external(
        env, store.get(), [](napi_env, void* data, void*) { delete static_cast<std::shared_ptr<DeferringStore>*>(data); }, nullptr, &external));
    store.release();
    must(napi_type_tag_object(env, external, &kStoreTag));
    return external;
  });
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
  config.hashKey = optionalHashKey(env, options);
  const napi_value verify = property(env, options, "verifyOldRecords");
  if (!isUndefined(env, verify)) must(napi_get_value_bool(env, verify, &config.verifyOldRecords));
  config.readSteps = optionalIndex(env, options, "readSteps", config.readSteps);
  config.taskSteps = optionalIndex(env, options, "taskSteps", config.taskSteps);
  if (config.sliceDurationMs < 2 || config.sliceDurationMs > kSliceMask) {
    throw EngineError(ErrorKind::range, "ERR_OUT_OF_RANGE", "sliceDurationMs must be within 2 to 2^48 - 1");
  }
  return config;
}

const std::shared_ptr<DeferringStore>& memoryStoreOf(napi_env env, napi_value value) {
  bool tagged = false;
  void* data = nullptr;
  if (napi_check_object_type_tag(env, value, &kStoreTag, &tagged) != napi_ok || !tagged ||
      napi_get_value_external(env, value, &data) != napi_ok) {
    js::throwType("store", "one that createMemoryStore made");
  }
  return *static_cast<std::shared_ptr<DeferringStore>*>(data);
}

std::shared_ptr<SortedStore> storeOf(napi_env env, napi_value value, const EngineConfig& config) {
  if (isUndefined(env, value)) {
    if (config.path.empty()) return createMemoryStore();
    return openRocksStore(config.path, config.blockCacheBytes);
  }
  const std::shared_ptr<DeferringStore>& store = memoryStoreOf(env, value);
  if (!config.path.empty()) throw EngineError(ErrorKind::type, "ERR_INVALID_ARG_VALUE", "an engine takes a path or a memory store, not both");
  return store;
}

// (store) → the number under which the next work on it waits.
napi_value deferNext(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<1> arguments(env, info);
    return js::number(env, memoryStoreOf(env, arguments[0])->deferNext());
  });
}

// (store, number)
napi_value proceed(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<2> arguments(env, info);
    memoryStoreOf(env, arguments[0])->proceed(arguments.u32(1, "number"));
    return js::undefined(env);
  });
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

napi_value stopThreads(napi_env env, napi_callback_info) {
  return js::guarded(env, [&] {
    instanceOf(env).workers->stop();
    return js::undefined(env);
  });
}

napi_value initialise(napi_env env, napi_value exports) {
  return js::guarded(env, [&] {
    auto* instance = new Instance();
    must(napi_set_instance_data(
        env, instance, [](napi_env, void* data, void*) { delete static_cast<Instance*>(data); }, nullptr));
    instance->workers = new Workers(env);
    const Function functions[] = {
        {"createMemoryStore", createStore},
        {"deferNext", deferNext},
        {"proceed", proceed},
        {"open", open},
        {"close", close},
        {"lockFile", lockFile},
        {"stopThreads", stopThreads},
    };
    addFunctions(env, exports, functions);
    addReads(env, exports);
    addBlocks(env, exports);
    addTier(env, exports);
    addLogWriter(env, exports, *instance->workers);
    addSockets(env, exports);
    return exports;
  });
}

}  // namespace
}  // namespace thermocline

NAPI_MODULE_INIT() { return thermocline::initialise(env, exports); }
