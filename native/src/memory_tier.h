// The memory tier without its sockets: requests that wait to be validated, the validations they travel in, and the answers
// made of the cache (design §5). It reads no clock and does no IO; the node hands in frames and answers, and takes out
// validations and responses.
//
//     take(frame) ──► open validation of a group ──begin──► on the wire ──finish──► verdicts into the cache ──► responses
//
// ⚖17 A request is answered by a validation that began after it came: requests join those alone that wait, and `begin` takes
// one from among them. Lanes keep apart what is fast and what may be slow: series whose pages are all held, series that lack some, and,
// each alone, those that the storage tier could not answer at once.
//
// What may wait is bounded, most of all what the storage tier has to read pages for: when every cache is empty at once, equal
// requests share one page, and those that find no room are told when to ask again. So are those whose answers find none.
//
// A response reads one series, as one item of one validation, at one applied index (⚖7). A scan that finds at its end that
// it needs pages it did not ask about returns what it has, or asks anew.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <unordered_map>

#include "page_cache.h"
#include "page_content.h"

namespace thermocline {

struct TierConfig {
  std::string path;
  uint64_t cacheBytes = 0;
  std::string owner;
  uint32_t boot = 0;
  uint64_t sliceDurationMs = 0;
  uint32_t restoreGeneration = 0;
  // Of a cache that starts empty; random where nothing is given.
  std::optional<HashKey> hashKey;
};

enum class Lane : uint8_t { held = 0, missing = 1, patient = 2 };
constexpr size_t kLanes = 3;

// Series that may wait for a validation to begin, by lane. Those that lack pages are few: at 64 in a validation and a few
// milliseconds for each, they wait a fraction of what a client waits.
constexpr size_t kMostWaitingSeries[kLanes] = {65'536, 512, 2048};

constexpr std::string_view kTooMuch = "too many requests wait in this memory node";
constexpr std::string_view kElsewhere = "this page is not served from memory; the storage tier has it";

class MemoryTier {
 public:
  explicit MemoryTier(const TierConfig& config);

  // Storage group of each block.
  void setOwners(const uint16_t* owners, size_t groups);
  // Slices that ended longer ago than this are the storage tier's; 0: none are.
  void setNewerThan(uint64_t ms) { newerThanMs_ = ms; }

  // The requests of a frame, `count` of them, of a connection whose number is never used again.
  void take(uint32_t connection, std::string_view requests, uint32_t count, uint32_t nowSeconds);
  // The connection is gone, and with it who waits there.
  void forget(uint32_t connection);

  // Series that wait for a validation of this lane to begin.
  size_t waiting(uint16_t group, Lane lane) const;
  // Closes the open validation and writes its body. Returns its number, 0 if nothing waits.
  uint32_t begin(uint16_t group, Lane lane, uint32_t nowSeconds, Sink& body);
  // The storage tier's answer. Throws a range error if it is malformed: the validation is then over, and has failed.
  void finish(uint32_t validation, std::string_view answer, uint32_t nowSeconds);
  // There was none: whoever waits is told, with this error and its argument.
  void fail(uint32_t validation, uint8_t error, uint64_t argument, std::string_view message);

  // Connections that have responses, each once; clears the list.
  void takeDirty(std::vector<uint32_t>& out);
  // Moves a connection's responses out, as whole frames that name the epoch. If they do not fit they stay.
  void flush(uint32_t connection, uint32_t epoch, Sink& out);

  const PageCache& cache() const { return cache_; }
  PageCache& cache() { return cache_; }
  struct Figures {
    uint64_t requests = 0;
    // Requests that joined another of the same pages, and those that need more than one validation.
    uint64_t joined = 0;
    uint64_t again = 0;
    // Requests by what they were told: an answer, to ask the storage tier, or an error.
    uint64_t answered = 0;
    uint64_t notCached = 0;
    uint64_t refused = 0;
    // Requests refused because too much waits already.
    uint64_t overloaded = 0;
    uint64_t validations = 0;
    uint64_t series = 0;
    // Pages in them.
    uint64_t pages = 0;
    // Pages that requests needed, as far as was known when they came, and those of them that the cache held.
    uint64_t lookedUp = 0;
    uint64_t found = 0;
    // By verdict: unchanged, absent, records, page, large.
    uint64_t verdicts[5] = {};
    uint64_t later = 0;
    uint64_t waiting = 0;
  };
  Figures figures() const { return figures_; }

 private:
  static constexpr uint8_t kGet = 2;
  // Numbers of protocol/src/errors.ts.
  static constexpr uint8_t kOverloaded = 6;
  static constexpr uint8_t kNotCached = 25;
  static constexpr uint64_t kRetryAfterMs = 50;
  // In place of a validated version: the cache does not hold the page any more, or it is too large for it.
  static constexpr uint64_t kGone = UINT64_MAX;
  static constexpr uint64_t kLarge = UINT64_MAX - 1;

  struct Connection {
    // Responses, back to back.
    std::string out;
    bool dirty = false;
  };
  struct Waiter {
    uint32_t connection;
    uint32_t correlation;
    uint8_t operation;
    uint8_t rounds;
    uint32_t bodyAt;
    uint32_t bodyBytes;
    // The next one of the same item, plus one.
    uint32_t next;
  };
  struct Ask {
    uint64_t slice;
    uint64_t held;
  };
  struct Item {
    uint16_t block;
    uint16_t seriesBytes;
    uint32_t seriesAt;
    uint32_t asksAt;
    uint32_t asks;
    // Plus one; the last one that joined.
    uint32_t waiters;
  };
  struct Validation {
    // Of its queue: each one's is the next one's less one.
    uint64_t sequence = 0;
    uint16_t group = 0;
    Lane lane = Lane::held;
    std::vector<Item> items;
    std::vector<Ask> asks;
    std::vector<Waiter> waiters;
    // Bodies of the requests, back to back.
    std::string bodies;
  };
  struct JoinSlot {
    uint64_t key;
    // Of the validation; one that has begun is joined no more, and its slots are free.
    uint64_t sequence;
    uint32_t item;
  };
  struct Queue {
    // Those that have not begun.
    std::deque<std::unique_ptr<Validation>> validations;
    std::vector<JoinSlot> joins;
    uint64_t next = 1;
    size_t series = 0;
  };
  // A request taken apart, and the pages that it needs as far as is known.
  struct Request {
    uint8_t operation;
    std::string_view series;
    // Of a get: ids, 8 bytes each.
    const uint8_t* ids;
    uint32_t idCount;
    // Of a scan.
    uint64_t from;
    uint64_t to;
    uint32_t limit;
    bool reverse;
  };
  enum class Served { done, again, notCached };

  SeriesRef seriesOf(std::string_view name, uint16_t block) const { return {name, block, cache_.key()}; }
  static std::string_view nameOf(const Validation& from, const Item& item) { return {from.bodies.data() + item.seriesAt, item.seriesBytes}; }
  // The oldest slice that is not the storage tier's.
  uint64_t oldestSlice(uint32_t nowSeconds) const;
  uint64_t sliceOf(uint64_t id) const { return (id >> 16) / config_.sliceDurationMs; }
  void lookAhead(Reader requests, uint32_t count);
  Request parse(uint8_t operation, std::string_view body) const;
  void checkIds(const uint8_t* ids, uint32_t count);
  void submit(const Waiter& waiter, std::string_view body, uint32_t nowSeconds);
  bool plan(const Request& request, const SeriesRef& series, uint32_t nowSeconds);
  bool planGet(const Request& request, const SeriesRef& series, uint32_t nowSeconds);
  bool planScan(const Request& request, const SeriesRef& series, uint32_t nowSeconds);
  bool ask(const SeriesRef& series, uint64_t slice, uint32_t nowSeconds, Held* held);
  bool enqueue(uint16_t group, Lane lane, const SeriesRef& series, Waiter waiter, std::string_view body);
  Validation& openIn(Queue& queue, uint16_t group, Lane lane);
  JoinSlot* joinSlot(Queue& queue, const SeriesRef& series, bool& found);
  uint32_t addItem(Queue& queue, Validation& validation, const SeriesRef& series, uint32_t seriesAt);
  void refreshAsks(Validation& validation, uint32_t nowSeconds);
  void moveToPatient(const Validation& from, const Item& item);

  void finishItem(const Validation& validation, const Item& item, Reader& answer, uint32_t nowSeconds);
  uint64_t takeVerdict(const SeriesRef& series, const Ask& ask, uint64_t applied, Reader& answer, uint32_t nowSeconds);
  static uint64_t takeVersion(Reader& answer, uint64_t applied);
  uint64_t takeRecords(const SeriesRef& series, const Ask& ask, Verdict verdict, uint64_t version, uint32_t count, Reader& answer,
                       uint32_t nowSeconds);
  Served serve(const Request& request, const SeriesRef& series, uint64_t applied, const Ask* asks, uint32_t count, uint32_t nowSeconds,
               std::string& out);
  Served serveGet(const Request& request, const SeriesRef& series, uint64_t applied, const Ask* asks, uint32_t count, uint32_t nowSeconds,
                  std::string& out);
  Served serveScan(const Request& request, const SeriesRef& series, uint64_t applied, const Ask* asks, uint32_t count, uint32_t nowSeconds,
                   std::string& out);
  Served validated(const SeriesRef& series, uint64_t slice, const Ask* asks, uint32_t count, uint32_t nowSeconds, Held& held);

  void respond(const Waiter& waiter, std::string_view body);
  void refuse(const Waiter& waiter, uint8_t error, uint64_t argument, std::string_view message);
  void respondWith(const Waiter& waiter, uint8_t error, std::string_view body);

  const TierConfig config_;
  PageCache cache_;
  std::vector<uint16_t> owners_;
  uint64_t newerThanMs_ = 0;
  std::deque<Queue> queues_;
  std::unordered_map<uint32_t, Connection> connections_;
  std::vector<uint32_t> dirty_;
  std::unordered_map<uint32_t, std::unique_ptr<Validation>> begun_;
  std::vector<std::unique_ptr<Validation>> spare_;
  uint32_t nextValidation_ = 1;
  // Pages of the requests that come next in the frame in hand.
  std::vector<PageKey> ahead_;
  // Of the request in hand.
  std::vector<Ask> asks_;
  bool lacks_ = false;
  PageBuilder builder_;
  // Bodies of the requests that wait.
  size_t waitingBytes_ = 0;
  // Responses that have not been flushed.
  size_t responseBytes_ = 0;
  // Scratch, kept for its room.
  std::vector<uint64_t> sortedIds_;
  std::vector<Ask> validated_;
  std::string response_;
  std::string scratch_;
  Figures figures_;
};

}  // namespace thermocline
