// The glue of the memory tier.
#include "addon.h"

namespace thermocline {
namespace {

using js::Arguments;
using js::must;

constexpr size_t kValidationHeadBytes = 4;

template <size_t N>
MemoryTier& tierOf(napi_env env, const Arguments<N>& arguments) {
  Instance& instance = instanceOf(env);
  const auto found = instance.tiers.find(arguments.u32(0, "tier"));
  if (found == instance.tiers.end()) throw EngineError(ErrorKind::error, "ERR_ENGINE_CLOSED", "the memory tier is closed");
  return *found->second;
}

template <size_t N>
Lane laneOf(const Arguments<N>& arguments, size_t i) {
  const uint32_t lane = arguments.u32(i, "lane");
  if (lane >= kLanes) throw EngineError(ErrorKind::range, "ERR_OUT_OF_RANGE", "there is no lane of that number");
  return static_cast<Lane>(lane);
}

napi_value tierOpen(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<1> arguments(env, info);
    const napi_value options = arguments[0];
    TierConfig config;
    config.path = optionalText(env, options, "path");
    config.owner = js::toText(env, property(env, options, "owner"), "owner");
    config.cacheBytes = js::toIndex(env, property(env, options, "cacheBytes"), "cacheBytes");
    config.boot = js::toU32(env, property(env, options, "boot"), "boot") | 1;
    config.sliceDurationMs = js::toIndex(env, property(env, options, "sliceDurationMs"), "sliceDurationMs");
    config.restoreGeneration = js::toU32(env, property(env, options, "restoreGeneration"), "restoreGeneration");
    config.hashKey = optionalHashKey(env, options);
    if (config.sliceDurationMs < 2 || config.sliceDurationMs > kSliceMask) {
      throw EngineError(ErrorKind::range, "ERR_OUT_OF_RANGE", "sliceDurationMs must be within 2 to 2^48 - 1");
    }
    Instance& instance = instanceOf(env);
    const uint32_t number = instance.next++;
    instance.tiers.emplace(number, std::make_unique<MemoryTier>(config));
    return js::number(env, number);
  });
}

napi_value tierClose(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<1> arguments(env, info);
    instanceOf(env).tiers.erase(arguments.u32(0, "tier"));
    return js::undefined(env);
  });
}

// (tier, owners as bytes of u16, groups)
napi_value tierOwners(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<3> arguments(env, info);
    const js::Span owners = arguments.bytes(1, "owners");
    const uint32_t groups = arguments.u32(2, "groups");
    if (owners.size != 2 * 65536) throw EngineError(ErrorKind::range, "ERR_OUT_OF_RANGE", "owners must have two bytes for each block");
    std::vector<uint16_t> table(65536);
    memcpy(table.data(), owners.data, owners.size);
    for (const uint16_t owner : table) {
      if (owner >= groups) throw EngineError(ErrorKind::range, "ERR_OUT_OF_RANGE", "a block is owned by a group that is not there");
    }
    tierOf(env, arguments).setOwners(table.data(), groups);
    return js::undefined(env);
  });
}

// (tier, ms)
napi_value tierNewerThan(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<2> arguments(env, info);
    tierOf(env, arguments).setNewerThan(js::toIndex(env, arguments[1], "newerThanMs"));
    return js::undefined(env);
  });
}

// (tier, connection, frame, offset, length, count, nowSeconds)
napi_value tierTake(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<7> arguments(env, info);
    tierOf(env, arguments).take(arguments.u32(1, "connection"), arguments.part(2, "frame"), arguments.u32(5, "count"),
                                arguments.u32(6, "nowSeconds"));
    return js::undefined(env);
  });
}

napi_value tierForget(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<2> arguments(env, info);
    tierOf(env, arguments).forget(arguments.u32(1, "connection"));
    return js::undefined(env);
  });
}

napi_value tierWaiting(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<3> arguments(env, info);
    const uint32_t group = arguments.u32(1, "group");
    return js::number(env, group > UINT16_MAX ? 0 : static_cast<double>(tierOf(env, arguments).waiting(static_cast<uint16_t>(group), laneOf(arguments, 2))));
  });
}

// (tier, group, lane, nowSeconds, out) → the validation's number, 0 if nothing waits; its body follows its length in `out`.
napi_value tierBegin(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<5> arguments(env, info);
    MemoryTier& tier = tierOf(env, arguments);
    const uint32_t group = arguments.u32(1, "group");
    const Lane lane = laneOf(arguments, 2);
    const js::Span out = arguments.bytes(4, "out");
    if (out.size < kValidationHeadBytes || group > UINT16_MAX) throw EngineError(ErrorKind::range, "ERR_OUT_OF_RANGE", "out is too small");
    if (tier.waiting(static_cast<uint16_t>(group), lane) == 0) return js::number(env, 0);
    Sink body(out.data + kValidationHeadBytes, out.size - kValidationHeadBytes);
    const uint32_t number = tier.begin(static_cast<uint16_t>(group), lane, arguments.u32(3, "nowSeconds"), body);
    if (!body.fits()) {
      tier.fail(number, 24, 0, "a bug: a validation is longer than its buffer");
      throwBug("a validation is longer than its buffer");
    }
    storeU32(out.data, static_cast<uint32_t>(body.length()));
    return js::number(env, number);
  });
}

// (tier, validation, answer, offset, length, nowSeconds)
napi_value tierFinish(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<6> arguments(env, info);
    tierOf(env, arguments).finish(arguments.u32(1, "validation"), arguments.part(2, "answer"), arguments.u32(5, "nowSeconds"));
    return js::undefined(env);
  });
}

// (tier, validation, error, argument, message)
napi_value tierFail(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<5> arguments(env, info);
    const std::string message = js::toText(env, arguments[4], "message").substr(0, 4096);
    tierOf(env, arguments).fail(arguments.u32(1, "validation"), static_cast<uint8_t>(arguments.u32(2, "error")),
                                arguments.u32(3, "argument"), message);
    return js::undefined(env);
  });
}

// → array of the connections that have responses.
napi_value tierDirty(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<1> arguments(env, info);
    std::vector<uint32_t> dirty;
    tierOf(env, arguments).takeDirty(dirty);
    napi_value list;
    must(napi_create_array_with_length(env, dirty.size(), &list));
    for (uint32_t i = 0; i < dirty.size(); i++) must(napi_set_element(env, list, i, js::number(env, dirty[i])));
    return list;
  });
}

// (tier, connection, epoch, out) → bytes written, or −2 − bytes needed.
napi_value tierFlush(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<4> arguments(env, info);
    const js::Span out = arguments.bytes(3, "out");
    Sink sink(out.data, out.size);
    tierOf(env, arguments).flush(arguments.u32(1, "connection"), arguments.u32(2, "epoch"), sink);
    const double length = static_cast<double>(sink.length());
    return js::number(env, sink.fits() ? length : -2 - length);
  });
}

// (tier, ring, position, owners as bytes of u16, owner) → { position, pages }: PageCache::copyHot.
napi_value tierCopyHot(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<5> arguments(env, info);
    MemoryTier& tier = tierOf(env, arguments);
    const uint32_t ring = arguments.u32(1, "ring");
    const js::Span owners = arguments.bytes(3, "owners");
    if (ring >= PageCache::kRings) throw EngineError(ErrorKind::range, "ERR_OUT_OF_RANGE", "ring is out of range");
    if (owners.size != 2 * 65536) throw EngineError(ErrorKind::range, "ERR_OUT_OF_RANGE", "owners must have two bytes for each block");
    std::vector<uint16_t> table(65536);
    memcpy(table.data(), owners.data, owners.size);
    std::string pages;
    const uint64_t next = tier.cache().copyHot(ring, js::toIndex(env, arguments[2], "position"), table.data(),
                                               static_cast<uint16_t>(arguments.u32(4, "owner")), pages);
    napi_value object;
    must(napi_create_object(env, &object));
    js::set(env, object, "position", js::number(env, static_cast<double>(next)));
    js::set(env, object, "pages", js::bytes(env, pages));
    return object;
  });
}

// (tier, pages, nowSeconds) → how many were put: PageCache::putHot.
napi_value tierPutHot(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<3> arguments(env, info);
    const js::Span pages = arguments.bytes(1, "pages");
    const std::string_view entries(reinterpret_cast<const char*>(pages.data), pages.size);
    return js::number(env, tierOf(env, arguments).cache().putHot(entries, arguments.u32(2, "nowSeconds")));
  });
}

napi_value tierStats(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const Arguments<1> arguments(env, info);
    const MemoryTier& tier = tierOf(env, arguments);
    napi_value object;
    must(napi_create_object(env, &object));
    const auto add = [&](const char* name, uint64_t value) { js::set(env, object, name, js::number(env, static_cast<double>(value))); };
    const MemoryTier::Figures figures = tier.figures();
    add("requests", figures.requests);
    add("waiting", figures.waiting);
    add("joined", figures.joined);
    add("again", figures.again);
    add("answered", figures.answered);
    add("notCached", figures.notCached);
    add("refused", figures.refused);
    add("overloaded", figures.overloaded);
    add("validations", figures.validations);
    add("series", figures.series);
    add("pages", figures.pages);
    add("lookedUp", figures.lookedUp);
    add("found", figures.found);
    add("later", figures.later);
    const char* verdicts[] = {"unchanged", "absent", "records", "page", "large"};
    for (size_t i = 0; i < 5; i++) add(verdicts[i], figures.verdicts[i]);
    add("cacheBytes", tier.cache().bytes());
    add("warm", tier.cache().warm() ? 1 : 0);
    napi_value rings;
    must(napi_create_array_with_length(env, PageCache::kRings, &rings));
    for (uint32_t i = 0; i < PageCache::kRings; i++) {
      const PageCache::RingFigures ring = tier.cache().figures(i);
      napi_value one;
      must(napi_create_object(env, &one));
      const auto set = [&](const char* name, uint64_t value) { js::set(env, one, name, js::number(env, static_cast<double>(value))); };
      set("hits", ring.hits);
      set("misses", ring.misses);
      set("evictions", ring.evictions);
      set("torn", ring.torn);
      set("bytes", ring.bytes);
      set("oldestSeconds", ring.oldestSeconds);
      must(napi_set_element(env, rings, i, one));
    }
    js::set(env, object, "rings", rings);
    return object;
  });
}

}  // namespace

void addTier(napi_env env, napi_value exports) {
  const Function functions[] = {
      {"tierOpen", tierOpen},     {"tierClose", tierClose},   {"tierOwners", tierOwners}, {"tierNewerThan", tierNewerThan}, {"tierTake", tierTake},
      {"tierForget", tierForget}, {"tierWaiting", tierWaiting}, {"tierBegin", tierBegin},   {"tierFinish", tierFinish},
      {"tierCopyHot", tierCopyHot}, {"tierPutHot", tierPutHot}, {"tierFail", tierFail},     {"tierDirty", tierDirty},   {"tierFlush", tierFlush},   {"tierStats", tierStats},
  };
  addFunctions(env, exports, functions);
}

}  // namespace thermocline
