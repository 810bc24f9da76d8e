// RocksDB's options, per family, in one place.
#pragma once

#include <rocksdb/cache.h>
#include <rocksdb/options.h>

#include "store.h"

namespace thermocline {

rocksdb::DBOptions databaseOptions();
rocksdb::ColumnFamilyOptions familyOptions(Family family, const std::shared_ptr<rocksdb::Cache>& cache);
// For the tables a flush writes: they land in the upper levels.
rocksdb::Options tableOptions(Family family, const rocksdb::DBOptions& database, const rocksdb::ColumnFamilyOptions& family_options);
const char* familyName(Family family);

}  // namespace thermocline
