// A file of a fixed size in memory, on tmpfs: what is in it outlives the process, and not the machine's run.
#pragma once

#include <string>

#include "errors.h"

namespace thermocline {

class MappedFile {
 public:
  // An empty path maps memory of the process alone. `what` and `flag` are for messages. Throws EngineError `disk_full` if
  // there is no room, `locked` if another process has the file and it is to be ours alone, `invalid_argument` if what stands there is
  // no file of this user. A file of this user that others can read, write or name otherwise is replaced by an empty one.
  MappedFile(const std::string& path, size_t bytes, const char* what, const char* flag, bool alone = false);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  uint8_t* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  uint8_t* data_ = nullptr;
  size_t size_ = 0;
  // Open while the lock is to be held.
  int file_ = -1;
};

// Names this run of the machine: a file on a disk may come back from a power cut older than it was.
std::string machineBoot();

}  // namespace thermocline
