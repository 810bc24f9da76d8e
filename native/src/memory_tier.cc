#include "memory_tier.h"

#include <algorithm>

namespace thermocline {
namespace {

constexpr uint8_t kScan = 3;
constexpr uint8_t kValidatePatient = 1;
// Numbers of protocol/src/errors.ts.
constexpr uint8_t kInvalidArgument = 1;
constexpr uint8_t kWrongRole = 14;

// Also bounds how long one holds up the replica that is asked, and the writes there.
constexpr uint32_t kMostItems = 1024;
constexpr size_t kMostBodyBytes = 1024 * 1024;
// Of series that lack pages: each may bring some of 64 KiB.
constexpr uint32_t kMostMissingItems = 64;
constexpr uint32_t kMostAsks = 64;
// A get names each record once, so that its answer is within the pages that it needs.
static_assert(kMostAsks * PageCache::kMostContentBytes <= kMostAnswerBytes);
// Pages that one scan asks for without holding them.
constexpr uint32_t kMostMissing = 4;
// A page that was too large is asked about again after this.
constexpr uint32_t kLargeSeconds = 10;
constexpr uint32_t kMostScanRecords = 10'000;
constexpr uint32_t kMostGetIds = 1024;
constexpr size_t kJoinSlots = 8192;
constexpr size_t kJoinSteps = 32;
constexpr uint64_t kMostWaiting = 131'072;
constexpr size_t kMostWaitingBytes = 64 * 1024 * 1024;
constexpr size_t kRequestHeadBytes = 13;
constexpr uint32_t kLookAhead = 32;
// Of an open validation: bounds its body together with kMostBodyBytes.
constexpr size_t kMostAsksOpen = 65'536;


}  // namespace

MemoryTier::MemoryTier(const TierConfig& config)
    : config_(config),
      cache_(config.path, config.cacheBytes, config.owner + "/" + std::to_string(config.restoreGeneration), config.boot, config.sliceDurationMs,
             config.hashKey ? *config.hashKey : randomHashKey()) {}

void MemoryTier::setOwners(const uint16_t* owners, size_t groups) {
  owners_.assign(owners, owners + 65536);
  if (queues_.size() < groups * kLanes) queues_.resize(groups * kLanes);
}

// ---- Requests in

void MemoryTier::take(uint32_t connection, std::string_view requests, uint32_t count, uint32_t nowSeconds) {
  Reader reader(requests, "a frame of requests");
  connections_.try_emplace(connection);
  for (uint32_t ahead = 0; count > 0; count--, ahead--) {
    if (ahead == 0) {
      ahead = std::min(count, kLookAhead);
      if (ahead > 1) lookAhead(reader, ahead);
    }
    Waiter waiter{};
    waiter.connection = connection;
    waiter.correlation = reader.u32();
    reader.u32();
    waiter.operation = reader.u8();
    const std::string_view body = reader.bytes(reader.u32());
    waiter.bodyBytes = static_cast<uint32_t>(body.size());
    figures_.requests++;
    figures_.waiting++;
    waitingBytes_ += body.size();
    if (figures_.waiting > kMostWaiting || waitingBytes_ > kMostWaitingBytes) {
      figures_.overloaded++;
      refuse(waiter, kOverloaded, kRetryAfterMs, kTooMuch);
      continue;
    }
    if (waiter.operation != kGet && waiter.operation != kScan) {
      refuse(waiter, kWrongRole, 0, "the memory tier answers gets and scans alone; write to the storage tier");
      continue;
    }
    try {
      submit(waiter, body, nowSeconds);
    } catch (const EngineError& error) {
      refuse(waiter, kInvalidArgument, 0, error.what());
    }
  }
  reader.finish();
}

// What the next requests find lies anywhere in a cache of gigabytes: the processor fetches it for all of them at once, instead of
// waiting for each in turn. What is malformed is told later.
void MemoryTier::lookAhead(Reader requests, uint32_t count) {
  ahead_.clear();
  for (; count > 0 && requests.left() >= kRequestHeadBytes; count--) {
    requests.take(kRequestHeadBytes - 5);
    const uint8_t operation = requests.u8();
    const uint32_t length = requests.u32();
    if (length > requests.left()) break;
    Reader body(requests.bytes(length), "a request");
    if (operation != kGet || body.left() < 2) continue;
    const uint16_t nameBytes = body.u16();
    // The name, the number of ids and one of them.
    if (body.left() < nameBytes + size_t{10}) continue;
    const std::string_view name = body.bytes(nameBytes);
    body.u16();
    // The block is no part of the page's key.
    ahead_.push_back(pageKeyOf(seriesOf(name, 0), sliceOf(body.id())));
    cache_.expectRow(ahead_.back());
  }
  for (const PageKey& key : ahead_) cache_.expectEntry(key);
}

MemoryTier::Request MemoryTier::parse(uint8_t operation, std::string_view body) const {
  Reader reader(body, operation == kGet ? "a get" : "a scan");
  Request request{};
  request.operation = operation;
  const uint16_t length = reader.u16();
  if (length == 0 || length > kMaxSeriesBytes) reader.throwMalformed("has a series of a length out of range");
  request.series = reader.bytes(length);
  if (operation == kGet) {
    request.idCount = reader.u16();
    if (request.idCount == 0 || request.idCount > kMostGetIds) reader.throwMalformed("has a number of ids out of range");
    request.ids = reader.take(request.idCount * size_t{8});
  } else {
    request.from = reader.id();
    request.to = reader.id();
    request.limit = reader.u32();
    const uint8_t reverse = reader.u8();
    if (reverse > 1) reader.throwMalformed("has a direction that is not known");
    request.reverse = reverse == 1;
    if (request.from > request.to) reader.throwMalformed("has a from that is after its to");
    if (request.limit == 0) reader.throwMalformed("has a limit of 0");
    request.limit = std::min(request.limit, kMostScanRecords);
  }
  reader.finish();
  return request;
}

// A record that is named often would be answered as often. The order of the sorted ids does not matter.
void MemoryTier::checkIds(const uint8_t* ids, uint32_t count) {
  sortedIds_.resize(count);
  memcpy(sortedIds_.data(), ids, count * sizeof(uint64_t));
  std::sort(sortedIds_.begin(), sortedIds_.end());
  const auto repeated = std::adjacent_find(sortedIds_.begin(), sortedIds_.end());
  if (repeated == sortedIds_.end()) return;
  const uint64_t id = __builtin_bswap64(*repeated);
  throw EngineError(ErrorKind::range, "bad_frame",
                    "ids: " + std::to_string(id >> 16) + "-" + std::to_string(id & 0xffff) + " is named more than once; expected each id once");
}

void MemoryTier::submit(const Waiter& waiter, std::string_view body, uint32_t nowSeconds) {
  const Request request = parse(waiter.operation, body);
  if (request.idCount > 1) checkIds(request.ids, request.idCount);
  const uint16_t block = blockOf(request.series);
  const SeriesRef series = seriesOf(request.series, block);
  if (!plan(request, series, nowSeconds)) {
    refuse(waiter, kNotCached, 0, kElsewhere);
    return;
  }
  if (enqueue(owners_[block], lacks_ ? Lane::missing : Lane::held, series, waiter, body)) return;
  figures_.overloaded++;
  refuse(waiter, kOverloaded, kRetryAfterMs, kTooMuch);
}

// ---- What to ask about

// Fills asks_ with the pages that the request needs, as far as the cache can tell. False if it is the storage tier's.
bool MemoryTier::plan(const Request& request, const SeriesRef& series, uint32_t nowSeconds) {
  asks_.clear();
  lacks_ = false;
  return request.operation == kGet ? planGet(request, series, nowSeconds) : planScan(request, series, nowSeconds);
}

// False if the page is too large for the cache.
bool MemoryTier::ask(const SeriesRef& series, uint64_t slice, uint32_t nowSeconds, Held* held) {
  Held found{};
  figures_.lookedUp++;
  if (!cache_.find(pageKeyOf(series, slice), nowSeconds, found)) {
    lacks_ = true;
    asks_.push_back({slice, kNothingHeld});
    if (held != nullptr) held->version = kNothingHeld;
    return true;
  }
  if (found.kind == HeldKind::large) {
    if (nowSeconds - found.writtenSeconds < kLargeSeconds) return false;
    lacks_ = true;
    found.version = kNothingHeld;
  } else {
    figures_.found++;
  }
  asks_.push_back({slice, found.version});
  if (held != nullptr) *held = found;
  return true;
}

uint64_t MemoryTier::oldestSlice(uint32_t nowSeconds) const {
  const uint64_t nowMs = uint64_t{nowSeconds} * 1000;
  return newerThanMs_ == 0 || newerThanMs_ > nowMs ? 0 : (nowMs - newerThanMs_) / config_.sliceDurationMs;
}

bool MemoryTier::planGet(const Request& request, const SeriesRef& series, uint32_t nowSeconds) {
  for (uint32_t i = 0; i < request.idCount; i++) {
    const uint64_t slice = sliceOf(loadU64BigEndian(request.ids + i * 8));
    const bool known = std::any_of(asks_.begin(), asks_.end(), [slice](const Ask& one) { return one.slice == slice; });
    if (known) continue;
    if (asks_.size() == kMostAsks || !ask(series, slice, nowSeconds, nullptr)) return false;
  }
  return true;
}

// The directory, and as many of the pages that it lists in the scan's range as hold what the scan wants.
bool MemoryTier::planScan(const Request& request, const SeriesRef& series, uint32_t nowSeconds) {
  Held directory{};
  if (!ask(series, kDirectorySlice, nowSeconds, &directory)) return false;
  if (directory.version == kNothingHeld) return true;
  // Finding pages may move the directory's content.
  scratch_.assign(directory.content);
  const PageContent slices(scratch_, directory.count);
  const uint64_t oldest = oldestSlice(nowSeconds);
  const uint64_t first = std::max(sliceOf(request.from), request.reverse ? oldest : 0);
  const uint64_t last = sliceOf(request.to);
  if (last < oldest || (!request.reverse && first < oldest)) return false;
  uint64_t records = 0;
  uint32_t missing = 0;
  for (uint32_t i = 0; i < directory.count && asks_.size() < kMostAsks; i++) {
    const uint64_t slice = slices.sliceAt(request.reverse ? i : directory.count - 1 - i);
    if (slice < first || slice > last) continue;
    Held page{};
    if (!ask(series, slice, nowSeconds, &page)) return asks_.size() > 1;
    if (page.version == kNothingHeld) {
      if (++missing == kMostMissing) break;
    } else {
      records += page.count;
      if (records > request.limit) break;
    }
  }
  return true;
}

// ---- Validations out

MemoryTier::Validation& MemoryTier::openIn(Queue& queue, uint16_t group, Lane lane) {
  if (!queue.validations.empty() && lane != Lane::patient) {
    Validation& last = *queue.validations.back();
    const size_t most = lane == Lane::missing ? kMostMissingItems : kMostItems;
    if (last.items.size() < most && last.bodies.size() < kMostBodyBytes && last.asks.size() < kMostAsksOpen) return last;
  }
  std::unique_ptr<Validation> made;
  if (spare_.empty()) {
    made = std::make_unique<Validation>();
  } else {
    made = std::move(spare_.back());
    spare_.pop_back();
  }
  made->group = group;
  made->lane = lane;
  made->sequence = queue.next++;
  queue.validations.push_back(std::move(made));
  return *queue.validations.back();
}

// Where the item of asks_ stands among those that wait, or may be noted; null if there is no room to note it. (Equal requests need
// the same pages at the same versions: the cache did not change in between, or they are other items.) Names and asks are
// compared in full; the hash, which is seeded with one under the cache's key, says where to look.
MemoryTier::JoinSlot* MemoryTier::joinSlot(Queue& queue, const SeriesRef& series, bool& found) {
  found = false;
  if (queue.joins.empty()) queue.joins.resize(kJoinSlots);
  const uint64_t key = XXH3_64bits_withSeed(asks_.data(), asks_.size() * sizeof(Ask), series.hash.low);
  const uint64_t waiting = queue.validations.empty() ? queue.next : queue.validations.front()->sequence;
  for (size_t step = 0; step < kJoinSteps; step++) {
    JoinSlot& slot = queue.joins[(key + step) & (kJoinSlots - 1)];
    if (slot.sequence < waiting) {
      slot.key = key;
      return &slot;
    }
    if (slot.key != key) continue;
    const Validation& validation = *queue.validations[slot.sequence - waiting];
    const Item& item = validation.items[slot.item];
    found = nameOf(validation, item) == series.name && item.asks == asks_.size() &&
            memcmp(&validation.asks[item.asksAt], asks_.data(), asks_.size() * sizeof(Ask)) == 0;
    if (found) return &slot;
  }
  return nullptr;
}

uint32_t MemoryTier::addItem(Queue& queue, Validation& validation, const SeriesRef& series, uint32_t seriesAt) {
  queue.series++;
  Item item{};
  item.block = series.block;
  item.seriesBytes = static_cast<uint16_t>(series.name.size());
  item.seriesAt = seriesAt;
  item.asksAt = static_cast<uint32_t>(validation.asks.size());
  item.asks = static_cast<uint32_t>(asks_.size());
  validation.asks.insert(validation.asks.end(), asks_.begin(), asks_.end());
  validation.items.push_back(item);
  return static_cast<uint32_t>(validation.items.size() - 1);
}

// False if too much waits already.
bool MemoryTier::enqueue(uint16_t group, Lane lane, const SeriesRef& series, Waiter waiter, std::string_view body) {
  Queue& queue = queues_[group * kLanes + static_cast<size_t>(lane)];
  bool joins = false;
  JoinSlot* slot = joinSlot(queue, series, joins);
  if (!joins && queue.series >= kMostWaitingSeries[static_cast<size_t>(lane)]) return false;
  Validation& validation = joins ? *queue.validations[slot->sequence - queue.validations.front()->sequence] : openIn(queue, group, lane);
  waiter.bodyAt = static_cast<uint32_t>(validation.bodies.size());
  validation.bodies.append(body);
  // The series stands in each body after its length.
  const uint32_t number = joins ? slot->item : addItem(queue, validation, series, waiter.bodyAt + 2);
  if (joins) figures_.joined++;
  if (!joins && slot != nullptr) {
    slot->sequence = validation.sequence;
    slot->item = number;
  }
  Item& item = validation.items[number];
  waiter.next = item.waiters;
  validation.waiters.push_back(waiter);
  item.waiters = static_cast<uint32_t>(validation.waiters.size());
  return true;
}

size_t MemoryTier::waiting(uint16_t group, Lane lane) const {
  const size_t at = group * kLanes + static_cast<size_t>(lane);
  return at < queues_.size() ? queues_[at].series : 0;
}

// While they waited, pages that they lack may have come with another validation.
void MemoryTier::refreshAsks(Validation& validation, uint32_t nowSeconds) {
  for (const Item& item : validation.items) {
    const SeriesRef series = seriesOf(nameOf(validation, item), item.block);
    for (uint32_t i = 0; i < item.asks; i++) {
      Ask& ask = validation.asks[item.asksAt + i];
      Held held{};
      if (ask.held == kNothingHeld && cache_.find(pageKeyOf(series, ask.slice), nowSeconds, held) && held.kind != HeldKind::large) ask.held = held.version;
    }
  }
}

uint32_t MemoryTier::begin(uint16_t group, Lane lane, uint32_t nowSeconds, Sink& body) {
  Queue& queue = queues_[group * kLanes + static_cast<size_t>(lane)];
  if (queue.validations.empty()) return 0;
  std::unique_ptr<Validation> validation = std::move(queue.validations.front());
  queue.validations.pop_front();
  queue.series -= validation->items.size();
  if (lane == Lane::missing) refreshAsks(*validation, nowSeconds);
  body.u32(config_.restoreGeneration);
  body.u8(lane == Lane::patient ? kValidatePatient : 0);
  body.u16(static_cast<uint16_t>(validation->items.size()));
  for (const Item& item : validation->items) {
    body.u16(item.block);
    body.u16(item.seriesBytes);
    body.put(validation->bodies.data() + item.seriesAt, item.seriesBytes);
    body.u8(static_cast<uint8_t>(item.asks));
    for (uint32_t i = 0; i < item.asks; i++) {
      body.u48(validation->asks[item.asksAt + i].slice);
      body.u48(validation->asks[item.asksAt + i].held);
    }
  }
  figures_.validations++;
  figures_.series += validation->items.size();
  figures_.pages += validation->asks.size();
  const uint32_t number = nextValidation_++;
  if (nextValidation_ == 0) nextValidation_ = 1;
  begun_.emplace(number, std::move(validation));
  return number;
}

}  // namespace thermocline
