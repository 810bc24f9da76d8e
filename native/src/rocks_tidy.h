#pragma once

#include <rocksdb/db.h>

namespace thermocline {

// Merges runs of small tables that lie side by side in the family's bottom level.
void tidyFamily(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* family);

}  // namespace thermocline
