// The glue of blocks: their state, flushes, snapshots, installs, and the figures.
#include "addon.h"
#include "install.h"

namespace thermocline {
namespace {

using js::Arguments;
using js::must;

// Each open snapshot keeps old tables from being deleted.
constexpr size_t kMostSnapshots = 64;

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

// (engine, nowMs)
napi_value noteTime(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<2> arguments(env, info);
    engineOf(env, arguments).noteTime(arguments.index(1, "nowMs"));
    return js::undefined(env);
  });
}

// (engine, beforeMs, out) → blocks written behind out[0], which is where the search begins and, afterwards, goes on.
napi_value staleBlocks(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<3> arguments(env, info);
    const js::Numbers out = js::toNumbers(env, arguments[2], "out");
    if (out.size < 2) throw EngineError(ErrorKind::range, "ERR_OUT_OF_RANGE", "out is too small");
    const Engine& engine = engineOf(env, arguments);
    return js::number(env, engine.staleBlocks(arguments.index(1, "beforeMs"), out.data[0], out.data + 1, static_cast<uint32_t>(out.size - 1)));
  });
}

// → answers of all blocks.
napi_value answersRemembered(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<1> arguments(env, info);
    return js::number(env, static_cast<double>(engineOf(env, arguments).requests().count()));
  });
}

// (engine, generation)
napi_value setRestoreGeneration(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<2> arguments(env, info);
    engineOf(env, arguments).setRestoreGeneration(arguments.u32(1, "generation"));
    return js::undefined(env);
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
    return promiseOf(env, Pool::flush, handle, std::move(task), Result::nothing);
  });
}

// An ascending list of blocks.
std::vector<uint16_t> batchOf(napi_env env, napi_value value) {
  const js::Numbers numbers = js::toNumbers(env, value, "blocks");
  if (numbers.size == 0 || numbers.size > kMostBatchBlocks) {
    throw EngineError(ErrorKind::range, "ERR_OUT_OF_RANGE",
                      "a batch has " + std::to_string(numbers.size) + " blocks, not 1 to " + std::to_string(kMostBatchBlocks));
  }
  std::vector<uint16_t> blocks;
  for (size_t i = 0; i < numbers.size; i++) {
    const uint32_t block = numbers.data[i];
    if (block > UINT16_MAX || (i > 0 && block <= blocks.back())) {
      throw EngineError(ErrorKind::range, "ERR_OUT_OF_RANGE", "block " + std::to_string(block) + " of a batch is not within 0 to 65535 and above the one before it");
    }
    blocks.push_back(static_cast<uint16_t>(block));
  }
  return blocks;
}

napi_value snapshotOpen(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<2> arguments(env, info);
    const std::shared_ptr<Handle>& handle = handleOf(env, arguments.u32(0, "engine"));
    if (handle->snapshots.size() >= kMostSnapshots) {
      throw EngineError(ErrorKind::error, "overloaded", "there are " + std::to_string(kMostSnapshots) + " snapshots open already");
    }
    std::shared_ptr<Snapshot> snapshot = handle->engine->snapshotOpen(batchOf(env, arguments[1]));
    const uint32_t number = handle->nextSnapshot++;
    handle->snapshots.emplace(number, std::move(snapshot));
    return js::number(env, number);
  });
}

const std::shared_ptr<Snapshot>& snapshotOf(const Handle& handle, uint32_t number) {
  const auto found = handle.snapshots.find(number);
  if (found == handle.snapshots.end()) throwBug("there is no open snapshot of that number");
  return found->second;
}

napi_value snapshotPlan(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<2> arguments(env, info);
    const std::shared_ptr<Handle> handle = handleOf(env, arguments.u32(0, "engine"));
    return promiseOf(env, Pool::snapshots, handle, Engine::snapshotPlanTask(snapshotOf(*handle, arguments.u32(1, "snapshot"))), Result::bytes);
  });
}

napi_value snapshotRead(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<3> arguments(env, info);
    const std::shared_ptr<Handle> handle = handleOf(env, arguments.u32(0, "engine"));
    const std::shared_ptr<Snapshot>& snapshot = snapshotOf(*handle, arguments.u32(1, "snapshot"));
    return promiseOf(env, Pool::snapshots, handle, Engine::snapshotReadTask(snapshot, arguments.u32(2, "maxBytes")), Result::bytes);
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
    return js::number(env, engineOf(env, arguments).installBegin(batchOf(env, arguments[1])));
  });
}

napi_value installPart(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<3> arguments(env, info);
    const std::shared_ptr<Handle> handle = handleOf(env, arguments.u32(0, "engine"));
    const js::Span part = arguments.bytes(2, "part");
    std::unique_ptr<Task> task =
        handle->engine->installPartTask(arguments.u32(1, "install"), {reinterpret_cast<const char*>(part.data), part.size});
    return promiseOf(env, Pool::install, handle, std::move(task), Result::nothing);
  });
}

napi_value installEnd(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<2> arguments(env, info);
    const std::shared_ptr<Handle> handle = handleOf(env, arguments.u32(0, "engine"));
    const uint32_t number = arguments.u32(1, "install");
    std::vector<uint16_t> blocks = handle->engine->installBlocks(number);
    return promiseOf(env, Pool::install, handle, handle->engine->installEndTask(number), Result::positions, nullptr, std::move(blocks));
  });
}

napi_value installAbort(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<2> arguments(env, info);
    engineOf(env, arguments).installAbort(arguments.u32(1, "install"));
    return js::undefined(env);
  });
}

napi_value tidy(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<1> arguments(env, info);
    const std::shared_ptr<Handle> handle = handleOf(env, arguments.u32(0, "engine"));
    return promiseOf(env, Pool::tidy, handle, handle->engine->tidyTask(), Result::nothing);
  });
}

// ---- Figures

napi_value pressure(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<1> arguments(env, info);
    const Pressure pressure = engineOf(env, arguments).store().pressure();
    napi_value object;
    must(napi_create_object(env, &object));
    js::set(env, object, "level0Tables", js::number(env, static_cast<double>(pressure.level0Tables)));
    js::set(env, object, "pendingCompactionBytes", js::number(env, static_cast<double>(pressure.pendingCompactionBytes)));
    return object;
  });
}

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

}  // namespace

void addBlocks(napi_env env, napi_value exports) {
  const Function functions[] = {
      {"positions", positions},
      {"appliedIndex", appliedIndex},
      {"flushedIndex", flushedIndex},
      {"flushNumber", flushNumber},
      {"digest", digest},
      {"requestTable", requestTable},
      {"proposeHorizon", proposeHorizon},
      {"noteTime", noteTime},
      {"staleBlocks", staleBlocks},
      {"answersRemembered", answersRemembered},
      {"setRestoreGeneration", setRestoreGeneration},
      {"rotationDue", rotationDue},
      {"rotate", rotate},
      {"flush", flush},
      {"snapshotOpen", snapshotOpen},
      {"snapshotPlan", snapshotPlan},
      {"snapshotRead", snapshotRead},
      {"snapshotClose", snapshotClose},
      {"installBegin", installBegin},
      {"installPart", installPart},
      {"installEnd", installEnd},
      {"installAbort", installAbort},
      {"tidy", tidy},
      {"pressure", pressure},
      {"stats", stats},
      {"storeOptions", storeOptions},
  };
  addFunctions(env, exports, functions);
}

}  // namespace thermocline
