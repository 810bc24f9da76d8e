// A table that is ingested below everything that it overlaps goes to the bottom level, where compaction never looks at it again: good
// for what it would cost to rewrite, bad for the number of tables, which descriptors and the list of tables pay for. So neighbours
// that are small are merged, a bounded number of bytes at a time. What is long stays as it is.
#include "rocks_tidy.h"

#include <rocksdb/metadata.h>

#include "errors.h"

namespace thermocline {
namespace {

// A table below half of what compaction makes is small.
constexpr uint64_t kSmallTableBytes = uint64_t{32} << 20;
// Of one merge: it holds off no other compaction of these tables for long.
constexpr uint64_t kMostMergedBytes = uint64_t{128} << 20;
constexpr size_t kMostMergedTables = 256;

// The first run of two small tables or more that nothing else compacts, from key `after` on.
std::vector<std::string> firstRun(const rocksdb::LevelMetaData& level, const std::string& after, std::string& end) {
  std::vector<std::string> run;
  uint64_t bytes = 0;
  for (const rocksdb::SstFileMetaData& file : level.files) {
    if (file.smallestkey <= after) continue;
    const bool fits = bytes + file.size <= kMostMergedBytes && run.size() < kMostMergedTables;
    if (file.size < kSmallTableBytes && !file.being_compacted && (run.empty() || fits)) {
      run.push_back(file.name);
      bytes += file.size;
      end = file.largestkey;
      continue;
    }
    if (run.size() > 1) return run;
    run.clear();
    bytes = 0;
    if (file.size >= kSmallTableBytes || file.being_compacted) continue;
    run.push_back(file.name);
    bytes = file.size;
    end = file.largestkey;
  }
  if (run.size() < 2) run.clear();
  return run;
}

}  // namespace

void tidyFamily(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* family) {
  // Each round goes on behind the last one's keys, so that it ends.
  for (std::string after, end;; after = end) {
    rocksdb::ColumnFamilyMetaData all;
    db.GetColumnFamilyMetaData(family, &all);
    if (all.levels.empty()) return;
    const rocksdb::LevelMetaData& bottom = all.levels.back();
    const std::vector<std::string> run = firstRun(bottom, after, end);
    if (run.empty()) return;
    rocksdb::CompactionOptions options;
    // As compaction writes the level: compression by its own options.
    options.compression = rocksdb::kDisableCompressionOption;
    options.output_file_size_limit = uint64_t{64} << 20;
    const rocksdb::Status status = db.CompactFiles(options, family, run, bottom.level);
    if (status.IsCorruption()) throwCorrupt("merging tables: " + status.ToString());
    // Anything else is no harm: another compaction was faster, or the disk is full. A later call tries again.
    if (!status.ok()) return;
  }
}

}  // namespace thermocline
