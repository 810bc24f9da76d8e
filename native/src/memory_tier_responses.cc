// How responses leave the memory tier: they gather by connection until the node takes them out, as whole frames.
#include "memory_tier.h"

namespace thermocline {
namespace {

constexpr size_t kResponseHeadBytes = 9;
constexpr uint8_t kResponses = 5;
constexpr uint16_t kMostResponses = 4096;
constexpr size_t kFrameBytes = 1024 * 1024;
// Of all connections, not flushed yet.
constexpr size_t kMostResponseBytes = 64 * 1024 * 1024;
// Room that a connection keeps for its next responses: there are thousands of them.
constexpr size_t kMostIdleBytes = 256 * 1024;

constexpr std::string_view kTooLong = "too many bytes of answers wait to be sent by this memory node";

}  // namespace

void MemoryTier::forget(uint32_t number) {
  const auto found = connections_.find(number);
  if (found == connections_.end()) return;
  responseBytes_ -= found->second.out.size();
  connections_.erase(found);
}

// An answer, unless too much waits to be sent already.
void MemoryTier::respond(const Waiter& waiter, std::string_view body) {
  if (responseBytes_ + kResponseHeadBytes + body.size() <= kMostResponseBytes) {
    respondWith(waiter, 0, body);
    return;
  }
  figures_.overloaded++;
  refuse(waiter, kOverloaded, kRetryAfterMs, kTooLong);
}

void MemoryTier::refuse(const Waiter& waiter, uint8_t error, uint64_t argument, std::string_view message) {
  std::string body;
  Sink out(body);
  out.u48(0);
  out.u48(argument);
  out.u16(static_cast<uint16_t>(message.size()));
  out.put(message.data(), message.size());
  respondWith(waiter, error, body);
}

void MemoryTier::respondWith(const Waiter& waiter, uint8_t error, std::string_view body) {
  figures_.waiting--;
  (error == 0 ? figures_.answered : error == kNotCached ? figures_.notCached : figures_.refused)++;
  waitingBytes_ -= waiter.bodyBytes;
  const auto found = connections_.find(waiter.connection);
  // Whoever asked has gone.
  if (found == connections_.end()) return;
  Connection& connection = found->second;
  char head[kResponseHeadBytes];
  storeU32(head, waiter.correlation);
  head[4] = static_cast<char>(error);
  storeU32(head + 5, static_cast<uint32_t>(body.size()));
  connection.out.append(head, sizeof head);
  connection.out.append(body);
  responseBytes_ += sizeof head + body.size();
  if (connection.dirty) return;
  connection.dirty = true;
  dirty_.push_back(waiter.connection);
}

void MemoryTier::takeDirty(std::vector<uint32_t>& out) {
  out.clear();
  out.swap(dirty_);
}

void MemoryTier::flush(uint32_t number, uint32_t epoch, Sink& out) {
  const auto found = connections_.find(number);
  if (found == connections_.end()) return;
  Connection& connection = found->second;
  const std::string& all = connection.out;
  for (size_t from = 0; from < all.size();) {
    size_t to = from;
    uint16_t count = 0;
    while (to < all.size() && count < kMostResponses && to - from < kFrameBytes) {
      to += kResponseHeadBytes + loadU32(all.data() + to + 5);
      count++;
    }
    out.u32(static_cast<uint32_t>(1 + 4 + 2 + to - from));
    out.u8(kResponses);
    out.u32(epoch);
    out.u16(count);
    out.put(all.data() + from, to - from);
    from = to;
  }
  if (!out.fits()) return;
  responseBytes_ -= all.size();
  if (connection.out.capacity() > kMostIdleBytes) {
    // Assigned to, it would keep its room.
    std::string().swap(connection.out);
  } else {
    connection.out.clear();
  }
  connection.dirty = false;
}

}  // namespace thermocline
