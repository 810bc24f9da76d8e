// The glue of apply and reads.
#include "addon.h"
#include "entry.h"

namespace thermocline {
namespace {

using js::Arguments;

constexpr int kNeedsIo = -1;

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

// Why the last batch was not applied to its end.
napi_value refusal(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<1> arguments(env, info);
    return js::text(env, engineOf(env, arguments).refusal());
  });
}

// (block, index, entry) → undefined, or what is wrong with the entry.
napi_value checkEntryOf(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<3> arguments(env, info);
    const uint16_t block = arguments.block(0);
    const uint64_t index = arguments.index(1, "index");
    const js::Span entry = arguments.bytes(2, "entry");
    try {
      checkEntry(block, index, {reinterpret_cast<const char*>(entry.data), entry.size});
    } catch (const EngineError& error) {
      return js::text(env, error.what());
    }
    return js::undefined(env);
  });
}

napi_value beginTurn(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<1> arguments(env, info);
    engineOf(env, arguments).beginTurn();
    return js::undefined(env);
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

// Of a read that has steps, called right after it was tried on this thread.
Pool poolOf(const Engine& engine) { return engine.lastWalked() ? Pool::walks : Pool::reads; }

// (engine, block, request, offset, length) → promise of bytes.
template <TaskMethod method, bool hasSteps>
napi_value readAsync(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<5> arguments(env, info);
    const std::shared_ptr<Handle> handle = handleOf(env, arguments.u32(0, "engine"));
    const uint16_t block = arguments.block(1);
    const Pool pool = hasSteps ? poolOf(*handle->engine) : Pool::reads;
    expectRoom(env, pool, *handle);
    return promiseOf(env, pool, handle, (*handle->engine.*method)(block, arguments.part(2, "request")), Result::bytes);
  });
}

napi_value peekAsync(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<6> arguments(env, info);
    const std::shared_ptr<Handle> handle = handleOf(env, arguments.u32(0, "engine"));
    const uint16_t block = arguments.block(1);
    arguments.bytes(5, "out");
    return promiseOf(env, Pool::peeks, handle, handle->engine->peekTask(block, arguments.part(2, "request")), Result::intoBuffer, arguments[5]);
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
    const Pool pool = poolOf(*handle->engine);
    expectRoom(env, pool, *handle);
    return promiseOf(env, pool, handle, handle->engine->validateTask(arguments.part(1, "request")), Result::bytes);
  });
}

}  // namespace

void addReads(napi_env env, napi_value exports) {
  const Function functions[] = {
      {"apply", apply},
      {"refusal", refusal},
      {"checkEntry", checkEntryOf},
      {"beginTurn", beginTurn},
      {"peek", read<&Engine::peek>},
      {"get", read<&Engine::get>},
      {"scan", read<&Engine::scan>},
      {"pageVersions", read<&Engine::pageVersions>},
      {"validate", validate},
      {"validateAsync", validateAsync},
      {"peekAsync", peekAsync},
      {"getAsync", readAsync<&Engine::getTask, false>},
      {"scanAsync", readAsync<&Engine::scanTask, true>},
      {"pageVersionsAsync", readAsync<&Engine::pageVersionsTask, true>},
  };
  addFunctions(env, exports, functions);
}

}  // namespace thermocline
