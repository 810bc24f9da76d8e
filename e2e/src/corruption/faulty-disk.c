/*
 * Preloaded into a node: reads or writes of some files fail. The file named by FAULTY_DISK says which, if it exists: what
 * fails (`open`, `read`, `write`, `allocate` or `sync`), the error's number, and one or two parts of the path, for example
 * `read 5 /g0-r1/volume.json`.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(result, name, ...)                       \
  static result (*real)(__VA_ARGS__);                 \
  if (real == NULL) real = (result(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

static long real_syscall(long number, long a, long b, long c, long d) {
  REAL(long, syscall, long, ...);
  return real(number, a, b, c, d);
}

/* 0, or the error that this call must fail with. Uses no call that is replaced here. */
static int fault_of(const char *what, const char *path) {
  const char *name = getenv("FAULTY_DISK");
  if (name == NULL) return 0;
  const int saved = errno;
  const long file = real_syscall(SYS_openat, AT_FDCWD, (long)name, O_RDONLY | O_CLOEXEC, 0);
  if (file < 0) {
    errno = saved;
    return 0;
  }
  char order[512] = "", kind[16] = "", part[256] = "", other[128] = "";
  const long length = real_syscall(SYS_read, file, (long)order, sizeof order - 1, 0);
  real_syscall(SYS_close, file, 0, 0, 0);
  int error = 0;
  const int is_order = length > 0 && sscanf(order, "%15s %d %255s %127s", kind, &error, part, other) >= 3;
  errno = saved;
  return is_order && strcmp(kind, what) == 0 && strstr(path, part) != NULL && strstr(path, other) != NULL ? error : 0;
}

static int fault(const char *what, int fd) {
  char link[64], path[4096];
  const int saved = errno;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t linked = readlink(link, path, sizeof path - 1);
  path[linked < 0 ? 0 : linked] = '\0';
  errno = saved;
  return fault_of(what, path);
}

#define OPENER(name)                                          \
  int name(const char *path, int flags, ...) {                \
    REAL(int, name, const char *, int, ...);                  \
    va_list rest;                                             \
    va_start(rest, flags);                                    \
    const int mode = flags & O_CREAT ? va_arg(rest, int) : 0; \
    va_end(rest);                                             \
    const int error = fault_of("open", path);                 \
    if (error != 0) {                                         \
      errno = error;                                          \
      return -1;                                              \
    }                                                         \
    return real(path, flags, mode);                           \
  }
OPENER(open)
OPENER(open64)

#define FAULTY(kind, result, name, declared, given) \
  result name declared {                            \
    REAL(result, name, TYPES_##name);               \
    const int error = fault(kind, fd);              \
    if (error != 0) {                               \
      errno = error;                                \
      return -1;                                    \
    }                                               \
    return real given;                              \
  }
#define TYPES_read int, void *, size_t
#define TYPES_pread int, void *, size_t, off_t
#define TYPES_pread64 int, void *, size_t, off_t
#define TYPES_write int, const void *, size_t
#define TYPES_writev int, const struct iovec *, int
#define TYPES_pwrite int, const void *, size_t, off_t
#define TYPES_pwrite64 int, const void *, size_t, off_t
#define TYPES_fsync int
#define TYPES_fdatasync int
FAULTY("read", ssize_t, read, (int fd, void *to, size_t count), (fd, to, count))
FAULTY("read", ssize_t, pread, (int fd, void *to, size_t count, off_t at), (fd, to, count, at))
FAULTY("read", ssize_t, pread64, (int fd, void *to, size_t count, off_t at), (fd, to, count, at))
FAULTY("write", ssize_t, write, (int fd, const void *from, size_t count), (fd, from, count))
FAULTY("write", ssize_t, writev, (int fd, const struct iovec *parts, int count), (fd, parts, count))
FAULTY("write", ssize_t, pwrite, (int fd, const void *from, size_t count, off_t at), (fd, from, count, at))
FAULTY("write", ssize_t, pwrite64, (int fd, const void *from, size_t count, off_t at), (fd, from, count, at))
FAULTY("sync", int, fsync, (int fd), (fd))
FAULTY("sync", int, fdatasync, (int fd), (fd))

/* Returns the error, and leaves errno alone. */
int posix_fallocate64(int fd, off_t from, off_t length) {
  REAL(int, posix_fallocate64, int, off_t, off_t);
  const int error = fault("allocate", fd);
  return error != 0 ? error : real(fd, from, length);
}

/* Writes past the page cache are handed to the kernel one by one. */
long syscall(long number, ...) {
  REAL(long, syscall, long, ...);
  long a[6];
  va_list rest;
  va_start(rest, number);
  for (int i = 0; i < 6; i++) a[i] = va_arg(rest, long);
  va_end(rest);
  const int error = number == SYS_io_submit ? fault("write", (int)(*(struct iocb **)a[2])->aio_fildes) : 0;
  if (error == 0) return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
  errno = error;
  return -1;
}
