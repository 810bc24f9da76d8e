/*
 * Preloaded into a node: writes down, in order and with the bytes, every call that changes files below CRASH_ROOT, into
 * the file CRASH_TRACE. What a call did is written down while a lock keeps others out, so the order is the true one.
 *
 *     record   u32 bytes that follow | u8 kind | i32 descriptor | u64 a | u64 b | u16 path bytes | path | u16 path bytes | path | data
 *
 * `call.ts` names the kinds and says what a and b are. A write on a descriptor of O_DSYNC is two records, since the power
 * may go in between: the write, and that it became durable.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define MOST_FILES 4096
/* Syncs of tables take this long, so that the log goes on meanwhile as it does beside large ones. */
#define TABLE_SYNC_US 60000
/* Heads of log segments are written so much later: what does not wait for one is durable before it. */
#define HEAD_WRITE_US 20000
/* After the file `slow-log` of the root was opened, all writes of the log are late by this, and tables are synced at once. */
#define SLOW_LOG_US 100000

enum { OPEN = 1, WRITE, DURABLE, SYNC, TRUNCATE, RENAME, LINK, UNLINK, MKDIR, RMDIR, SUBMIT, FINISHED, ALLOCATE };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char is_traced[MOST_FILES];
static char is_dsync[MOST_FILES];
static char is_table[MOST_FILES];
static char is_segment[MOST_FILES];
static int trace_file = -1;
static int is_log_slow = 0;

#define REAL(result, name, ...)                                                    \
  static result (*real)(__VA_ARGS__);                                              \
  if (real == NULL) real = (result(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

static void fail(const char *why) {
  dprintf(2, "crash-points trace: %s: %s\n", why, strerror(errno));
  _exit(99);
}

/* The path below the root, or NULL. The programs traced use absolute paths. */
static const char *below(const char *path) {
  const char *root = getenv("CRASH_ROOT");
  if (root == NULL || path == NULL) return NULL;
  const size_t length = strlen(root);
  return strncmp(path, root, length) == 0 && (path[length] == '/' || path[length] == '\0') ? path + length : NULL;
}

static int traced(int fd) { return fd >= 0 && fd < MOST_FILES && is_traced[fd]; }

static void put(uint8_t kind, int32_t fd, uint64_t a, uint64_t b, const char *path, const char *other, const struct iovec *data, int parts) {
  if (trace_file < 0) {
    static long (*real)(long, ...);
    real = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
    trace_file = (int)real(SYS_openat, AT_FDCWD, getenv("CRASH_TRACE"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (trace_file < 0) fail("opening the trace");
  }
  uint8_t head[25];
  const uint16_t length = (uint16_t)(path == NULL ? 0 : strlen(path)), other_length = (uint16_t)(other == NULL ? 0 : strlen(other));
  uint32_t total = sizeof head - 4 + 4 + length + other_length;
  for (int i = 0; i < parts; i++) total += (uint32_t)data[i].iov_len;
  memcpy(head, &total, 4);
  head[4] = kind;
  memcpy(head + 5, &fd, 4);
  memcpy(head + 9, &a, 8);
  memcpy(head + 17, &b, 8);
  struct iovec all[16] = {{head, sizeof head}, {(void *)&length, 2}, {(void *)path, length}, {(void *)&other_length, 2}, {(void *)other, other_length}};
  if (parts > 11) fail("a write of too many parts");
  memcpy(all + 5, data, sizeof *data * (size_t)parts);
  REAL(ssize_t, writev, int, const struct iovec *, int);
  if (real(trace_file, all, 5 + parts) != (ssize_t)total + 4) fail("writing the trace");
}

static int opened(int fd, const char *path, int flags) {
  if (fd < 0) return fd;
  const char *name = below(path);
  if (fd >= MOST_FILES) fail("too many descriptors");
  is_traced[fd] = name != NULL;
  is_dsync[fd] = (flags & (O_DSYNC | O_SYNC)) != 0;
  is_table[fd] = name != NULL && strstr(name, ".sst") != NULL;
  is_segment[fd] = name != NULL && strncmp(name, "/log/", 5) == 0 && strstr(name, ".new") == NULL;
  if (name != NULL) put(OPEN, fd, (uint64_t)flags, 0, name, NULL, NULL, 0);
  return fd;
}

/* Opening a file of the root is an order. `die` ends the process, never between a call and its record. */
static void die_if_asked(const char *path) {
  const char *name = below(path);
  if (name != NULL && strcmp(name, "/die") == 0) kill(getpid(), SIGKILL);
  if (name != NULL && strcmp(name, "/slow-log") == 0) is_log_slow = 1;
}

#define OPENER(name)                                            \
  int name(const char *path, int flags, ...) {                  \
    REAL(int, name, const char *, int, ...);                    \
    va_list rest;                                               \
    va_start(rest, flags);                                      \
    const int mode = flags & O_CREAT ? va_arg(rest, int) : 0;   \
    va_end(rest);                                               \
    pthread_mutex_lock(&lock);                                  \
    die_if_asked(path);                                         \
    const int fd = opened(real(path, flags, mode), path, flags); \
    pthread_mutex_unlock(&lock);                                \
    return fd;                                                  \
  }
OPENER(open)
OPENER(open64)

static void closed(long fd) {
  if (fd >= 0 && fd < MOST_FILES) is_traced[fd] = 0;
}

int close(int fd) {
  REAL(int, close, int);
  closed(fd);
  return real(fd);
}

static ssize_t wrote(int fd, off_t offset, const struct iovec *parts, int count, ssize_t result) {
  const int saved = errno;
  if (result >= 0) {
    size_t total = 0;
    for (int i = 0; i < count; i++) total += parts[i].iov_len;
    if ((size_t)result != total) fail("a short write");
    if (is_dsync[fd]) put(DURABLE, fd, (uint64_t)offset, total, NULL, NULL, NULL, 0);
  }
  pthread_mutex_unlock(&lock);
  errno = saved;
  return result;
}

/* Where a write without an offset goes. */
static off_t position(int fd) {
  struct stat stat;
  if ((fcntl(fd, F_GETFL) & O_APPEND) != 0 && fstat(fd, &stat) == 0) return stat.st_size;
  return lseek(fd, 0, SEEK_CUR);
}

static void writing(int fd, off_t offset, const struct iovec *parts, int count) {
  pthread_mutex_lock(&lock);
  put(WRITE, fd, (uint64_t)offset, 0, NULL, NULL, parts, count);
}

ssize_t write(int fd, const void *bytes, size_t count) {
  REAL(ssize_t, write, int, const void *, size_t);
  if (!traced(fd)) return real(fd, bytes, count);
  const struct iovec one = {(void *)bytes, count};
  const off_t offset = position(fd);
  writing(fd, offset, &one, 1);
  return wrote(fd, offset, &one, 1, real(fd, bytes, count));
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
  REAL(ssize_t, writev, int, const struct iovec *, int);
  if (!traced(fd)) return real(fd, parts, count);
  const off_t offset = position(fd);
  writing(fd, offset, parts, count);
  return wrote(fd, offset, parts, count, real(fd, parts, count));
}

#define PWRITER(name)                                                   \
  ssize_t name(int fd, const void *bytes, size_t count, off_t offset) { \
    REAL(ssize_t, name, int, const void *, size_t, off_t);              \
    if (!traced(fd)) return real(fd, bytes, count, offset);             \
    const struct iovec one = {(void *)bytes, count};                    \
    if (is_segment[fd] && offset == 0) usleep(HEAD_WRITE_US);           \
    writing(fd, offset, &one, 1);                                       \
    return wrote(fd, offset, &one, 1, real(fd, bytes, count, offset));  \
  }
PWRITER(pwrite)
PWRITER(pwrite64)

/* Runs a call that changes something, and writes it down if it did. */
#define CHANGE(call, record)             \
  pthread_mutex_lock(&lock);             \
  const int result = (call);             \
  const int saved = errno;               \
  if (result == 0) record;               \
  pthread_mutex_unlock(&lock);           \
  errno = saved;                         \
  return result

#define SYNCER(name)                                                    \
  int name(int fd) {                                                    \
    REAL(int, name, int);                                               \
    if (!traced(fd)) return real(fd);                                   \
    if (is_table[fd] && !is_log_slow) usleep(TABLE_SYNC_US);                            \
    CHANGE(real(fd), put(SYNC, fd, 0, 0, NULL, NULL, NULL, 0));         \
  }
SYNCER(fsync)
SYNCER(fdatasync)

#define TRUNCATER(name)                                                             \
  int name(int fd, off_t length) {                                                  \
    REAL(int, name, int, off_t);                                                    \
    if (!traced(fd)) return real(fd, length);                                       \
    CHANGE(real(fd, length), put(TRUNCATE, fd, (uint64_t)length, 0, NULL, NULL, NULL, 0)); \
  }
TRUNCATER(ftruncate)
TRUNCATER(ftruncate64)

#define ALLOCATER(name)                                                            \
  int name(int fd, int mode, off_t offset, off_t length) {                         \
    REAL(int, name, int, int, off_t, off_t);                                       \
    if (!traced(fd)) return real(fd, mode, offset, length);                        \
    CHANGE(real(fd, mode, offset, length), put(ALLOCATE, fd, (uint64_t)mode, (uint64_t)(offset + length), NULL, NULL, NULL, 0)); \
  }
ALLOCATER(fallocate)
ALLOCATER(fallocate64)

#define TWO_PATHS(name, kind)                                            \
  int name(const char *from, const char *to) {                          \
    REAL(int, name, const char *, const char *);                        \
    if (below(from) == NULL && below(to) == NULL) return real(from, to); \
    CHANGE(real(from, to), put(kind, -1, 0, 0, below(from), below(to), NULL, 0)); \
  }
TWO_PATHS(rename, RENAME)
TWO_PATHS(link, LINK)

#define ONE_PATH(name, kind)                                                     \
  int name(const char *path) {                                                   \
    REAL(int, name, const char *);                                               \
    if (below(path) == NULL) return real(path);                                  \
    CHANGE(real(path), put(kind, -1, 0, 0, below(path), NULL, NULL, 0));         \
  }
ONE_PATH(unlink, UNLINK)
ONE_PATH(rmdir, RMDIR)

int mkdir(const char *path, mode_t mode) {
  REAL(int, mkdir, const char *, mode_t);
  if (below(path) == NULL) return real(path, mode);
  CHANGE(real(path, mode), put(MKDIR, -1, 0, 0, below(path), NULL, NULL, 0));
}

static void submit(long context, struct iocb *request) {
  REAL(long, syscall, long, ...);
  pthread_mutex_lock(&lock);
  const struct iovec one = {(void *)(uintptr_t)request->aio_buf, (size_t)request->aio_nbytes};
  put(SUBMIT, (int32_t)request->aio_fildes, (uint64_t)request->aio_offset, request->aio_data, NULL, NULL, &one, 1);
  if (real(SYS_io_submit, context, 1, &request) != 1) fail("submitting a write");
  pthread_mutex_unlock(&lock);
}

struct late {
  long context;
  struct iocb *request;
};

static void *submit_late(void *given) {
  struct late *late = given;
  usleep(is_log_slow ? SLOW_LOG_US : HEAD_WRITE_US);
  submit(late->context, late->request);
  free(late);
  return NULL;
}

static void start_late(long context, struct iocb *request) {
  struct late *late = malloc(sizeof *late);
  pthread_t thread;
  if (late == NULL) fail("remembering a write");
  *late = (struct late){context, request};
  if (pthread_create(&thread, NULL, submit_late, late) != 0) fail("starting a thread");
  pthread_detach(thread);
}

/* Writes past the page cache are handed to the kernel one by one, and fetched when they are durable. */
long syscall(long number, ...) {
  REAL(long, syscall, long, ...);
  long a[6];
  va_list rest;
  va_start(rest, number);
  for (int i = 0; i < 6; i++) a[i] = va_arg(rest, long);
  va_end(rest);
  if (number == SYS_close) closed(a[0]);
  struct iocb *request = number == SYS_io_submit ? *(struct iocb **)a[2] : NULL;
  if (request != NULL && traced((int)request->aio_fildes)) {
    if (is_segment[request->aio_fildes] && (is_log_slow || request->aio_offset == 0)) start_late(a[0], request);
    else submit(a[0], request);
    return 1;
  }
  if (number != SYS_io_getevents) return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
  pthread_mutex_lock(&lock);
  const long result = real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
  const int saved = errno;
  const struct io_event *events = (const struct io_event *)a[3];
  for (long i = 0; i < result; i++) put(FINISHED, -1, 0, events[i].data, NULL, NULL, NULL, 0);
  pthread_mutex_unlock(&lock);
  errno = saved;
  return result;
}
