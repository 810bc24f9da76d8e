#include "mapped_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace thermocline {
namespace {

[[noreturn]] void throwErrno(const std::string& doing, const std::string& whose) {
  throw EngineError(ErrorKind::error, "internal", doing + " " + whose + ": " + strerror(errno));
}

// Closes the descriptor when it goes, unless it is kept.
struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
  int keep() {
    const int kept = fd;
    fd = -1;
    return kept;
  }
};

void allocate(int fd, size_t bytes, const std::string& whose, const char* flag) {
  struct stat stat;
  if (fstat(fd, &stat) != 0) throwErrno("could not read the size of", whose);
  if (static_cast<size_t>(stat.st_size) != bytes) {
    // Emptied first: growing an old file in place would keep its content under other dimensions.
    if (ftruncate(fd, 0) != 0) throwErrno("could not empty", whose);
  }
  // Allocated for real: a store into a hole of a full tmpfs would kill the process.
  const int failed = posix_fallocate(fd, 0, static_cast<off_t>(bytes));
  if (failed == 0) return;
  throw EngineError(ErrorKind::error, failed == ENOSPC ? "disk_full" : "internal",
                    "could not allocate " + std::to_string(bytes) + " bytes for " + whose + ": " + strerror(failed) +
                        "; give its file system more space, or choose another " + flag);
}

}  // namespace

MappedFile::MappedFile(const std::string& path, size_t bytes, const char* what, const char* flag, bool alone) : size_(bytes) {
  const std::string whose = std::string("the ") + what + " " + (path.empty() ? "in memory" : path);
  Descriptor file{-1};
  if (!path.empty()) {
    file.fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file.fd < 0) throwErrno("could not open", whose);
    if (alone && flock(file.fd, LOCK_EX | LOCK_NB) != 0) {
      throw EngineError(ErrorKind::error, "locked", whose + " is another process's; stop it, or choose another " + flag);
    }
    allocate(file.fd, bytes, whose, flag);
  }
  const int flags = path.empty() ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
  void* mapped = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, flags, file.fd, 0);
  if (mapped == MAP_FAILED) throwErrno("could not map", whose);
  data_ = static_cast<uint8_t*>(mapped);
  if (alone) file_ = file.keep();
}

MappedFile::~MappedFile() {
  munmap(data_, size_);
  if (file_ >= 0) close(file_);
}

std::string machineBoot() {
  std::string boot(64, '\0');
  const Descriptor file{open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC)};
  const ssize_t length = file.fd < 0 ? 0 : read(file.fd, boot.data(), boot.size());
  boot.resize(length < 0 ? 0 : static_cast<size_t>(length));
  return boot;
}

}  // namespace thermocline
