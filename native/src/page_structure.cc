#include "page_structure.h"

namespace thermocline {
namespace {

// Records without a gap, each where its offset says.
bool hasRecords(const Held& page, uint64_t slice, uint64_t sliceDurationMs) {
  const std::string_view content = page.content;
  const size_t offsetBytes = page.count * size_t{4};
  if (offsetBytes > content.size()) return false;
  const char* records = content.data() + offsetBytes;
  const size_t recordBytes = content.size() - offsetBytes;
  size_t at = 0;
  uint64_t before = 0;
  for (uint32_t i = 0; i < page.count; i++) {
    if (loadU32(content.data() + i * size_t{4}) != at || recordBytes - at < kHeldRecordHeadBytes) return false;
    const uint64_t id = loadU64BigEndian(records + at);
    const uint64_t version = loadU48(records + at + 8);
    const uint32_t length = loadU32(records + at + 14);
    if (length > recordBytes - at - kHeldRecordHeadBytes) return false;
    if ((i > 0 && id <= before) || (id >> 16) / sliceDurationMs != slice || version == 0 || version > page.version) return false;
    before = id;
    at += kHeldRecordHeadBytes + length;
  }
  return at == recordBytes;
}

bool hasSlices(const Held& page) {
  if (page.content.size() != page.count * size_t{6}) return false;
  uint64_t before = kDirectorySlice;
  for (uint32_t i = 0; i < page.count; i++) {
    const uint64_t slice = loadU48(page.content.data() + i * size_t{6});
    if (slice >= before) return false;
    before = slice;
  }
  return true;
}

}  // namespace

bool isWellFormed(const Held& page, std::string_view series, uint64_t slice, uint64_t sliceDurationMs) {
  if (series.empty() || series.size() > kMaxSeriesBytes || blockOf(series) != page.block) return false;
  if (slice > kDirectorySlice || page.version >= kNothingHeld) return false;
  switch (page.kind) {
    case HeldKind::page:
      // A page that does not exist has version 0, and one that exists has a record.
      return slice != kDirectorySlice && (page.version == 0) == (page.count == 0) && hasRecords(page, slice, sliceDurationMs);
    case HeldKind::directory:
      return slice == kDirectorySlice && hasSlices(page);
    case HeldKind::large:
      return page.count == 0 && page.content.empty();
  }
  return false;
}

}  // namespace thermocline
