#include "rocks_options.h"

#include <rocksdb/filter_policy.h>
#include <rocksdb/rate_limiter.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/table_properties_collectors.h>

#include "removal_runs.h"

namespace thermocline {
namespace {

constexpr int64_t kCompactionBytesPerSecond = int64_t{128} << 20;
constexpr int kMostOpenFiles = 4096;
constexpr int kBackgroundJobs = 2;
// Ten bits per key: one probe in a hundred of an absent key reads a block for nothing.
constexpr double kBloomBitsPerKey = 10;

}  // namespace

const char* familyName(Family family) {
  static const char* const names[kFamilyCount] = {"pages", "records", "meta"};
  return names[static_cast<int>(family)];
}

rocksdb::DBOptions databaseOptions() {
  rocksdb::DBOptions options;
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  options.max_background_jobs = kBackgroundJobs;
  // Bounds descriptors and what open tables keep in memory beside the cache.
  options.max_open_files = kMostOpenFiles;
  // Compaction leaves disk and CPU to the log and to reads.
  options.rate_limiter.reset(rocksdb::NewGenericRateLimiter(kCompactionBytesPerSecond, 100'000, 10, rocksdb::RateLimiter::Mode::kWritesOnly, true));
  // Long writes reach the disk in steps instead of one stall at the sync.
  options.bytes_per_sync = 1 << 20;
  // Obsolete files are deleted by a background thread, never by a reader that lets an iterator go.
  options.avoid_unnecessary_blocking_io = true;
  // The process log of RocksDB stays small; what matters is in ours.
  options.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  options.max_log_file_size = 4 << 20;
  options.keep_log_file_num = 4;
  options.max_manifest_file_size = 64 << 20;
  // Nothing is written through memtables; there is no log of its own to speak of.
  options.max_total_wal_size = 1 << 20;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  return options;
}

rocksdb::ColumnFamilyOptions familyOptions(Family family, const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::ColumnFamilyOptions options;
  // Memtables stay empty: every change is an ingested table.
  options.write_buffer_size = 64 << 10;
  options.arena_block_size = 4 << 10;
  // Each flush of a busy family adds one table to the top level.
  options.level0_file_num_compaction_trigger = 4;
  options.level0_slowdown_writes_trigger = 20;
  options.level0_stop_writes_trigger = 36;
  options.target_file_size_base = uint64_t{64} << 20;
  options.max_bytes_for_level_base = uint64_t{256} << 20;
  // Sizes levels from the bottom up, so that nine tenths of the data lie in the bottom level.
  options.level_compaction_dynamic_level_bytes = true;
  // A finished slice is left alone: no rewriting by age.
  options.ttl = 0;
  options.periodic_compaction_seconds = 0;
  // Upper levels are rewritten soon: light compression. The bottom is written once and kept: zstd for records.
  options.compression = rocksdb::kLZ4Compression;

  rocksdb::BlockBasedTableOptions table;
  table.format_version = 5;
  table.block_cache = cache;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(kBloomBitsPerKey));
  table.optimize_filters_for_memory = true;
  // Index and filter live in the cache, so that it bounds them, above data blocks.
  table.cache_index_and_filter_blocks = true;
  table.cache_index_and_filter_blocks_with_high_priority = true;
  table.metadata_cache_options.top_level_index_pinning = rocksdb::PinningTier::kAll;

  switch (family) {
    case Family::records:
      // About 40 records of the design point; larger ones compress little better and cost every point get.
      table.block_size = 8 << 10;
      options.bottommost_compression = rocksdb::kZSTD;
      options.bottommost_compression_opts.level = 3;
      options.bottommost_compression_opts.enabled = true;
      // Most tables are old slices: their index and filter are cut into partitions that come and go with use. The top
      // of each is pinned; partitions of fresh tables too.
      table.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
      table.partition_filters = true;
      table.metadata_block_size = 4 << 10;
      table.metadata_cache_options.partition_pinning = rocksdb::PinningTier::kFlushedAndSimilar;
      break;
    case Family::pages:
      // Headers are small and read on every cold write: small blocks, index and filter loaded at open and pinned.
      table.block_size = 4 << 10;
      table.metadata_cache_options.unpartitioned_pinning = rocksdb::PinningTier::kAll;
      break;
    case Family::meta:
      // Read at open and by snapshots only; rows of answers hold hashes, which do not compress.
      table.block_size = 16 << 10;
      options.compression = rocksdb::kNoCompression;
      table.metadata_cache_options.unpartitioned_pinning = rocksdb::PinningTier::kAll;
      break;
  }
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  // A table that compaction leaves above the bottom is compacted on where removals are dense in it. Rows of `meta` are not walked over.
  if (family != Family::meta) {
    options.table_properties_collector_factories.push_back(rocksdb::NewCompactOnDeletionCollectorFactory(kRemovalWindow, kDenseRemovals));
  }
  return options;
}

rocksdb::Options tableOptions(Family, const rocksdb::DBOptions& database, const rocksdb::ColumnFamilyOptions& family_options) {
  rocksdb::Options options(database, family_options);
  options.bottommost_compression = rocksdb::kDisableCompressionOption;
  // What these collect of a table is lost when it is ingested: the ingest looks at its removals itself.
  options.table_properties_collector_factories.clear();
  return options;
}

}  // namespace thermocline
