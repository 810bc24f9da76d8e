// The form of an entry (protocol/src/entry.ts). An entry comes from a peer or from the log, so all of it is checked before a
// replica votes for it, learns it or applies it: what one replica cannot apply, no replica can, and would end the block.
#pragma once

#include "bytes.h"

namespace thermocline {

constexpr size_t kDigestKeyBytes = 16;

// What precedes the requests of an entry. `key` is null in all entries but a block's first.
struct EntryHead {
  uint64_t horizon;
  uint64_t proposedAtMs;
  const uint8_t* key;
  uint16_t requests;
};

// Reads the head of an entry whose form was checked.
EntryHead readEntryHead(Reader& entry);

// Checks lengths and the checksum, so that apply can decode the entry to its end. Returns its count of requests. Throws a
// `bad_frame` or `unsupported_version` that says what is wrong.
size_t checkEntryForm(std::string_view bytes);

// Checks also what entry `index` of `block` may say: every series lies in the block, no record has two operations, the horizon
// is not above the index, and the digest key comes with the first entry alone. Throws as `checkEntryForm`.
void checkEntry(uint16_t block, uint64_t index, std::string_view bytes);

}  // namespace thermocline
