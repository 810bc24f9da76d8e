// What the parts of the glue share: engines by number, and work on other threads that ends in a promise.
//
// An engine is known to JavaScript by a number, looked up in this environment's table: a stale or foreign number is an
// error, never a wild pointer. Work that runs elsewhere holds the engine until it is finished; `close` waits for it. When
// the environment goes down Node finishes pending work first and then lets the table go, and with it every engine.
#pragma once

#include <unordered_map>
#include <utility>

#include "engine.h"
#include "js.h"
#include "memory_tier.h"
#include "workers.h"

namespace thermocline {

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
  std::unordered_map<uint32_t, std::unique_ptr<MemoryTier>> tiers;
  uint32_t next = 1;
  // Lives as long as the environment's loop has use for it, and ends itself.
  Workers* workers = nullptr;
};

Instance& instanceOf(napi_env env);
const std::shared_ptr<Handle>& handleOf(napi_env env, uint32_t number);

template <size_t N>
Engine& engineOf(napi_env env, const js::Arguments<N>& arguments) {
  return *handleOf(env, arguments.u32(0, "engine"))->engine;
}

// What a promise resolves to.
enum class Result { nothing, bytes, intoBuffer, positions };

// Runs a task for a promise: at once if the store never waits, so that a simulated run stays in one thread. Throws `overloaded` if too
// much waits for the pool of reads.
// Throws `overloaded` if what waits in the pool leaves no room for a read: before its task is made, which costs.
void expectRoom(napi_env env, Pool pool, const Handle& handle);
napi_value promiseOf(napi_env env, Pool pool, const std::shared_ptr<Handle>& handle, std::unique_ptr<Task> task, Result result,
                     napi_value buffer = nullptr, std::vector<uint16_t> blocks = {});
napi_value positionOf(napi_env env, uint16_t block, const Position& position);
// Closes the engine on another thread, and settles `handle->closing`.
void startClose(napi_env env, const std::shared_ptr<Handle>& handle);

using Function = std::pair<const char*, napi_callback>;
template <size_t N>
void addFunctions(napi_env env, napi_value exports, const Function (&functions)[N]) {
  for (const auto& [name, function] : functions) {
    napi_value value;
    js::must(napi_create_function(env, name, NAPI_AUTO_LENGTH, function, nullptr, &value));
    js::set(env, exports, name, value);
  }
}

// Apply and reads.
void addReads(napi_env env, napi_value exports);
// State of blocks, flushes, snapshots, installs and figures.
void addBlocks(napi_env env, napi_value exports);
// The memory tier.
void addTier(napi_env env, napi_value exports);
// Fields of an object of options.
napi_value property(napi_env env, napi_value object, const char* name);
std::string optionalText(napi_env env, napi_value options, const char* name);
// Undefined, or 16 bytes.
std::optional<HashKey> optionalHashKey(napi_env env, napi_value options);

}  // namespace thermocline
