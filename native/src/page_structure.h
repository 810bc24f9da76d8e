// Whether bytes from outside the process are a page: what a peer hands over for warming up, what an earlier process left in the
// cache's file. A checksum says that bytes are as somebody wrote them, and anybody can compute one; reads go by offsets and counts
// that stand in the bytes.
#pragma once

#include "keys.h"
#include "page_content.h"

namespace thermocline {

// Versions are indexes of a block's log: the largest number of 48 bits stands for "nothing is held", and is none.
constexpr uint64_t kNothingHeld = kSliceMask;

// A record's head in a page's content and on the wire: id, version, length.
constexpr size_t kHeldRecordHeadBytes = 18;

// True if whoever reads the page stays within it, and it is one that this series and slice can have: of the series' block, with ids
// of the slice in ascending order and versions up to its own, or with slices in descending order.
bool isWellFormed(const Held& page, std::string_view series, uint64_t slice, uint64_t sliceDurationMs);

}  // namespace thermocline
