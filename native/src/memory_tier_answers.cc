// What the storage tier answers to a validation: into the cache, and on to those who wait.
#include "memory_tier.h"

namespace thermocline {
namespace {

// Of a series in an answer.
constexpr uint8_t kAnswered = 0;
constexpr uint8_t kLater = 1;
// Validations that a request may take before it is left to the storage tier.
constexpr uint8_t kMostRounds = 4;
constexpr size_t kMostSpare = 16;
// Room for the bodies of requests that one of them keeps.
constexpr size_t kMostSpareBytes = 2 * 1024 * 1024;

}  // namespace

void MemoryTier::finish(uint32_t number, std::string_view answer, uint32_t nowSeconds) {
  const auto found = begun_.find(number);
  if (found == begun_.end()) throwBug("there is no validation of that number");
  std::unique_ptr<Validation> validation = std::move(found->second);
  begun_.erase(found);
  size_t at = 0;
  try {
    Reader reader(answer, "an answer to a validation");
    if (reader.u16() != validation->items.size()) reader.throwMalformed("has another number of series");
    for (; at < validation->items.size(); at++) {
      const Item& item = validation->items[at];
      const uint8_t state = reader.u8();
      if (state > kLater) reader.throwMalformed("has a state that is not known");
      if (state == kAnswered) {
        finishItem(*validation, item, reader, nowSeconds);
      } else {
        figures_.later++;
        moveToPatient(*validation, item);
      }
    }
    reader.finish();
  } catch (const EngineError&) {
    for (; at < validation->items.size(); at++) {
      for (uint32_t next = validation->items[at].waiters; next != 0; next = validation->waiters[next - 1].next) {
        refuse(validation->waiters[next - 1], kNotCached, 0, kElsewhere);
      }
    }
    throw;
  }
  if (spare_.size() >= kMostSpare || validation->bodies.capacity() > kMostSpareBytes) return;
  validation->items.clear();
  validation->asks.clear();
  validation->waiters.clear();
  validation->bodies.clear();
  spare_.push_back(std::move(validation));
}

void MemoryTier::fail(uint32_t number, uint8_t error, uint64_t argument, std::string_view message) {
  const auto found = begun_.find(number);
  if (found == begun_.end()) throwBug("there is no validation of that number");
  const std::unique_ptr<Validation> validation = std::move(found->second);
  begun_.erase(found);
  for (const Waiter& waiter : validation->waiters) refuse(waiter, error, argument, message);
}

// The same item, alone, with all who wait for it.
void MemoryTier::moveToPatient(const Validation& from, const Item& item) {
  const SeriesRef series = seriesOf(nameOf(from, item), item.block);
  asks_.assign(from.asks.begin() + item.asksAt, from.asks.begin() + item.asksAt + item.asks);
  Queue& queue = queues_[from.group * kLanes + static_cast<size_t>(Lane::patient)];
  if (queue.series >= kMostWaitingSeries[static_cast<size_t>(Lane::patient)]) {
    for (uint32_t next = item.waiters; next != 0; next = from.waiters[next - 1].next) {
      figures_.overloaded++;
      refuse(from.waiters[next - 1], kOverloaded, kRetryAfterMs, kTooMuch);
    }
    return;
  }
  Validation& to = openIn(queue, from.group, Lane::patient);
  for (uint32_t next = item.waiters; next != 0; next = from.waiters[next - 1].next) {
    Waiter waiter = from.waiters[next - 1];
    const std::string_view body(from.bodies.data() + waiter.bodyAt, waiter.bodyBytes);
    waiter.bodyAt = static_cast<uint32_t>(to.bodies.size());
    to.bodies.append(body);
    Item& moved = to.items.empty() ? to.items[addItem(queue, to, series, waiter.bodyAt + 2)] : to.items.front();
    waiter.next = moved.waiters;
    to.waiters.push_back(waiter);
    moved.waiters = static_cast<uint32_t>(to.waiters.size());
  }
}

void MemoryTier::finishItem(const Validation& validation, const Item& item, Reader& answer, uint32_t nowSeconds) {
  const SeriesRef series = seriesOf(nameOf(validation, item), item.block);
  const uint64_t applied = answer.u48();
  // What was held becomes what is validated.
  std::vector<Ask>& asks = validated_;
  asks.assign(validation.asks.begin() + item.asksAt, validation.asks.begin() + item.asksAt + item.asks);
  for (Ask& ask : asks) {
    ask.held = takeVerdict(series, ask, applied, answer, nowSeconds);
  }
  for (uint32_t next = item.waiters; next != 0;) {
    const Waiter& waiter = validation.waiters[next - 1];
    next = waiter.next;
    const std::string_view body(validation.bodies.data() + waiter.bodyAt, waiter.bodyBytes);
    const Request request = parse(waiter.operation, body);
    response_.clear();
    const Served served = serve(request, series, applied, asks.data(), item.asks, nowSeconds, response_);
    if (served == Served::done) {
      respond(waiter, response_);
      continue;
    }
    Waiter again = waiter;
    again.rounds++;
    if (served == Served::again && again.rounds < kMostRounds && plan(request, series, nowSeconds)) {
      if (enqueue(validation.group, lacks_ ? Lane::missing : Lane::held, series, again, body)) {
        figures_.again++;
      } else {
        figures_.overloaded++;
        refuse(waiter, kOverloaded, kRetryAfterMs, kTooMuch);
      }
      continue;
    }
    refuse(waiter, kNotCached, 0, kElsewhere);
  }
}

// Takes a page's verdict into the cache; returns what version the page is at, kGone or kLarge. What the storage tier says is checked
// as any bytes from outside are: versions up to the applied index, records and slices in order and in their place.
uint64_t MemoryTier::takeVerdict(const SeriesRef& series, const Ask& ask, uint64_t applied, Reader& answer, uint32_t nowSeconds) {
  const uint8_t verdict = answer.u8();
  if (verdict > static_cast<uint8_t>(Verdict::large)) answer.throwMalformed("has a verdict that is not known");
  figures_.verdicts[verdict]++;
  const PageKey key = pageKeyOf(series, ask.slice);
  switch (static_cast<Verdict>(verdict)) {
    case Verdict::unchanged:
      if (ask.held == kNothingHeld) answer.throwMalformed("calls a page unchanged that is not held");
      return ask.held;
    case Verdict::absent:
      if (ask.slice == kDirectorySlice) answer.throwMalformed("calls a directory absent");
      cache_.put(key, nowSeconds, {0, HeldKind::page, series.block, 0, 0, {}});
      return 0;
    case Verdict::large: {
      cache_.put(key, nowSeconds, {takeVersion(answer, applied), HeldKind::large, series.block, 0, 0, {}});
      return kLarge;
    }
    case Verdict::page:
    case Verdict::records:
      break;
  }
  const uint64_t version = takeVersion(answer, applied);
  const uint32_t count = answer.u32();
  if (ask.slice == kDirectorySlice) {
    if (static_cast<Verdict>(verdict) == Verdict::records) answer.throwMalformed("has records of a directory");
    const Held directory{version, HeldKind::directory, series.block, count, 0, answer.bytes(count * size_t{6})};
    if (!isWellFormed(directory, series.name, ask.slice, config_.sliceDurationMs)) answer.throwMalformed("has a directory whose slices are not in order");
    return cache_.put(key, nowSeconds, directory) ? version : kLarge;
  }
  if (version == 0) answer.throwMalformed("has a page of version 0");
  return takeRecords(series, ask, static_cast<Verdict>(verdict), version, count, answer, nowSeconds);
}

uint64_t MemoryTier::takeVersion(Reader& answer, uint64_t applied) {
  const uint64_t version = answer.u48();
  if (version > applied || version >= kNothingHeld) answer.throwMalformed("has a version above what is applied");
  return version;
}

// The page's records, or those that have changed since the version that was held.
uint64_t MemoryTier::takeRecords(const SeriesRef& series, const Ask& ask, Verdict verdict, uint64_t version, uint32_t count, Reader& answer,
                                 uint32_t nowSeconds) {
  builder_.reset();
  const PageKey key = pageKeyOf(series, ask.slice);
  Held held{};
  // ⚖18 A delta applies to its exact base, and to nothing else.
  const bool isWhole = verdict == Verdict::page;
  const bool usable = isWhole || (cache_.find(key, nowSeconds, held) && held.kind == HeldKind::page && held.version == ask.held);
  const PageContent base(held.content, isWhole || !usable ? 0 : held.count);
  uint32_t at = 0;
  uint64_t before = 0;
  for (uint32_t i = 0; i < count; i++) {
    const uint8_t* from = answer.take(kHeldRecordHeadBytes);
    const uint32_t length = loadU32(from + 14);
    answer.take(length);
    const uint64_t id = loadU64BigEndian(from);
    const uint64_t recordVersion = loadU48(from + 8);
    if ((i > 0 && id <= before) || sliceOf(id) != ask.slice) answer.throwMalformed("has records out of order, or of another slice");
    if (recordVersion == 0 || recordVersion > version) answer.throwMalformed("has a record of a version that its page is not at");
    before = id;
    for (; at < base.count() && base.idAt(at) < id; at++) builder_.add(base.at(at).bytes);
    if (at < base.count() && base.idAt(at) == id) at++;
    builder_.add({reinterpret_cast<const char*>(from), kHeldRecordHeadBytes + length});
  }
  for (; at < base.count(); at++) builder_.add(base.at(at).bytes);
  if (!usable) return kGone;
  const uint32_t records = builder_.count();
  if (records == 0) answer.throwMalformed("has a page without records");
  return cache_.put(key, nowSeconds, {version, HeldKind::page, series.block, records, 0, builder_.content()}) ? version : kLarge;
}

}  // namespace thermocline
