/*
 * Preloaded into a node: writes to its log segments fail with EIO while the file named by FAIL_WRITES exists and its text
 * occurs in the segment's path. Stands in for a disk that fails a durable write (segments are opened with O_DSYNC).
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
#include <unistd.h>

static int must_fail(int fd) {
  const char *flag = getenv("FAIL_WRITES");
  if (flag == NULL) return 0;
  FILE *file = fopen(flag, "r");
  if (file == NULL) return 0;
  char wanted[256] = "";
  const int has_text = fgets(wanted, sizeof wanted, file) != NULL;
  fclose(file);
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t length = readlink(link, path, sizeof path - 1);
  if (!has_text || length < 0) return 0;
  path[length] = '\0';
  return strstr(path, wanted) != NULL && strstr(path, "/log/") != NULL;
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset) {
  static ssize_t (*real)(int, const void *, size_t, off64_t);
  if (real == NULL) real = (ssize_t(*)(int, const void *, size_t, off64_t))dlsym(RTLD_NEXT, "pwrite64");
  if (must_fail(fd)) {
    errno = EIO;
    return -1;
  }
  return real(fd, bytes, count, offset);
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset) { return pwrite64(fd, bytes, count, offset); }

/* Writes past the page cache are handed to the kernel one by one. */
long syscall(long number, ...) {
  static long (*real)(long, ...);
  if (real == NULL) real = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
  long a[6];
  va_list rest;
  va_start(rest, number);
  for (int i = 0; i < 6; i++) a[i] = va_arg(rest, long);
  va_end(rest);
  if (number == SYS_io_submit && must_fail((int)(*(struct iocb **)a[2])->aio_fildes)) {
    errno = EIO;
    return -1;
  }
  return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
