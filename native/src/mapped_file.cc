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

// What is in a file that others can write or have another name for is theirs to decide: it is as good as none.
bool isOursAlone(const struct stat& found) {
  return (found.st_mode & 07777) == 0600 && found.st_nlink == 1;
}

// A folder in shared memory is everybody's: whoever knows the name may have put something else there before. Names are not taken over
// from others, which the file's owner could do anything with. Throws EngineError `invalid_argument`.
void refuseForeign(const struct stat& found, const std::string& whose, const char* flag) {
  std::string is;
  if (S_ISLNK(found.st_mode)) {
    is = "is a symbolic link";
  } else if (!S_ISREG(found.st_mode)) {
    is = "is no regular file";
  } else if (found.st_uid != geteuid()) {
    is = "belongs to user " + std::to_string(found.st_uid) + ", and this process is user " + std::to_string(geteuid());
  } else {
    return;
  }
  throw EngineError(ErrorKind::error, "invalid_argument", whose + " " + is + "; expected a file of this user: remove it, or choose another " + flag);
}

// Closes the descriptor when it goes, unless it is kept.
struct Descriptor {
  int fd;
  explicit Descriptor(int opened) : fd(opened) {}
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
  Descriptor(Descriptor&& other) noexcept : fd(other.keep()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (fd >= 0) close(fd);
    fd = other.keep();
    return *this;
  }
  int keep() {
    const int kept = fd;
    fd = -1;
    return kept;
  }
};

void lock(int fd, const std::string& whose, const char* flag) {
  if (flock(fd, LOCK_EX | LOCK_NB) == 0) return;
  throw EngineError(ErrorKind::error, "locked", whose + " is another process's; stop it, or choose another " + flag);
}

// Names that come and go meanwhile are somebody's play.
constexpr int kMostAttempts = 8;

// The file of that path, which nobody else has had access to: what is there, or a new one in its place.
Descriptor openAlone(const std::string& path, const std::string& whose, const char* flag, bool locked) {
  for (int attempt = 0; attempt < kMostAttempts; attempt++) {
    struct stat found;
    if (lstat(path.c_str(), &found) == 0) {
      refuseForeign(found, whose, flag);
      // What is behind the name may be another file by now: it is looked at again.
      Descriptor file{open(path.c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)};
      if (file.fd < 0) {
        if (errno == ENOENT || errno == ELOOP) continue;
        throwErrno("could not open", whose);
      }
      if (fstat(file.fd, &found) != 0) throwErrno("could not look at", whose);
      refuseForeign(found, whose, flag);
      if (locked) lock(file.fd, whose, flag);
      if (isOursAlone(found)) return file;
      if (unlink(path.c_str()) != 0 && errno != ENOENT) throwErrno("could not replace", whose);
    } else if (errno != ENOENT) {
      throwErrno("could not look at", whose);
    }
    Descriptor made{open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)};
    if (made.fd < 0) {
      if (errno == EEXIST) continue;
      throwErrno("could not make", whose);
    }
    // Whatever the process's mask leaves out.
    if (fchmod(made.fd, 0600) != 0) throwErrno("could not set the mode of", whose);
    if (locked) lock(made.fd, whose, flag);
    return made;
  }
  throw EngineError(ErrorKind::error, "invalid_argument", whose + " changes while it is opened; expected a file of this user: choose another " + flag);
}

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
    file = openAlone(path, whose, flag, alone);
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
