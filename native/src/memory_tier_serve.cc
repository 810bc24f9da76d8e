// Responses of the memory tier, made of pages as a validation found them.
#include <algorithm>

#include "memory_tier.h"

namespace thermocline {
namespace {

constexpr size_t kScanChunkBytes = 256 * 1024;

}  // namespace

MemoryTier::Served MemoryTier::serve(const Request& request, const SeriesRef& series, uint64_t applied, const Ask* asks, uint32_t count,
                                     uint32_t nowSeconds, std::string& out) {
  return request.operation == kGet ? serveGet(request, series, applied, asks, count, nowSeconds, out)
                                   : serveScan(request, series, applied, asks, count, nowSeconds, out);
}

// The page as this validation found it.
MemoryTier::Served MemoryTier::validated(const SeriesRef& series, uint64_t slice, const Ask* asks, uint32_t count, uint32_t nowSeconds,
                                         Held& held) {
  const Ask* ask = std::find_if(asks, asks + count, [slice](const Ask& one) { return one.slice == slice; });
  if (ask == asks + count) return Served::again;
  if (ask->held == kLarge) return Served::notCached;
  if (ask->held == kGone || !cache_.find(pageKeyOf(series, slice), nowSeconds, held) || held.version != ask->held) return Served::again;
  // Another validation was told meanwhile that it is large: which pages are depends on what has to be stepped over to read them, and not
  // on their version alone.
  if (held.kind == HeldKind::large) return Served::notCached;
  return Served::done;
}

MemoryTier::Served MemoryTier::serveGet(const Request& request, const SeriesRef& series, uint64_t applied, const Ask* asks, uint32_t count,
                                        uint32_t nowSeconds, std::string& response) {
  Sink out(response);
  out.u48(applied);
  for (uint32_t i = 0; i < request.idCount; i++) {
    const uint64_t id = loadU64BigEndian(request.ids + i * 8);
    Held held{};
    const Served served = validated(series, sliceOf(id), asks, count, nowSeconds, held);
    if (served != Served::done) return served;
    const PageContent page(held.content, held.count);
    const uint32_t at = page.lowerBound(id);
    if (at == page.count() || page.idAt(at) != id) {
      out.u48(0);
      out.u32(0);
      continue;
    }
    const RecordView record = page.at(at);
    out.put(record.bytes.data() + 8, record.bytes.size() - 8);
  }
  return Served::done;
}

// Walks the pages that the directory lists, in the scan's direction, as far as they were validated.
MemoryTier::Served MemoryTier::serveScan(const Request& request, const SeriesRef& series, uint64_t applied, const Ask* asks, uint32_t count,
                                         uint32_t nowSeconds, std::string& response) {
  Held directory{};
  if (const Served served = validated(series, kDirectorySlice, asks, count, nowSeconds, directory); served != Served::done) return served;
  scratch_.assign(directory.content);
  const PageContent slices(scratch_, directory.count);
  Sink out(response);
  out.u48(applied);
  const size_t headAt = out.length();
  out.u8(0);
  out.id(0);
  out.u32(0);
  const uint64_t oldest = oldestSlice(nowSeconds);
  uint32_t walked = 0;
  uint32_t records = 0;
  size_t bytes = 0;
  bool more = false;
  uint64_t next = 0;
  for (uint32_t i = 0; i < slices.count() && !more; i++) {
    const uint64_t slice = slices.sliceAt(request.reverse ? i : slices.count() - 1 - i);
    if (slice < sliceOf(request.from) || slice > sliceOf(request.to)) continue;
    Held held{};
    const Served served = slice < oldest ? Served::notCached : validated(series, slice, asks, count, nowSeconds, held);
    if (served != Served::done) {
      // A chunk may be empty: the pages before this one have nothing of what is asked for.
      if (walked == 0) return served;
      // From where this page begins, in the scan's direction.
      const uint64_t firstId = (slice * config_.sliceDurationMs) << 16;
      const uint64_t endMs = (slice + 1) * config_.sliceDurationMs;
      const uint64_t lastId = endMs > kSliceMask ? UINT64_MAX : (endMs << 16) - 1;
      more = true;
      next = request.reverse ? std::min(lastId, request.to) : std::max(firstId, request.from);
      break;
    }
    walked++;
    const PageContent page(held.content, held.count);
    const uint32_t from = page.lowerBound(request.from);
    const uint32_t to = request.to == UINT64_MAX ? page.count() : page.lowerBound(request.to + 1);
    for (uint32_t step = 0; step < to - from; step++) {
      const RecordView record = page.at(request.reverse ? to - 1 - step : from + step);
      if (records == request.limit || (records > 0 && bytes + record.value.size() > kScanChunkBytes)) {
        more = true;
        next = record.id;
        break;
      }
      out.put(record.bytes.data(), record.bytes.size());
      bytes += record.value.size();
      records++;
    }
  }
  uint8_t head[13];
  head[0] = more ? 1 : 0;
  storeU64BigEndian(head + 1, next);
  storeU32(head + 9, records);
  out.patch(headAt, head, sizeof head);
  return Served::done;
}

}  // namespace thermocline
