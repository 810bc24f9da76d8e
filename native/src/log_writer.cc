// Linux AIO and not io_uring: it does the same for one write at a time, and containers' default profiles allow it.
#include "log_writer.h"

#include "js.h"

#ifdef __linux__

#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/magic.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <uv.h>

#include <cerrno>
#include <cstdlib>
#include <memory>
#include <vector>

namespace thermocline {
namespace {

using js::must;

// Of memory, for writes past the page cache. Lengths and offsets are multiples of a sector, which is less.
constexpr size_t kMemoryAlignment = 4096;
constexpr size_t kSectorBytes = 512;
constexpr unsigned kMostWrites = 16;
#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC 0x58465342
#endif

// Others may take the flags and still write through the page cache, or wait in io_submit, which would stall the loop.
bool takesDirectWrites(int file) {
  struct statfs system;
  return fstatfs(file, &system) == 0 && (system.f_type == EXT4_SUPER_MAGIC || system.f_type == XFS_SUPER_MAGIC);
}

class LogWriter;

struct Write {
  iocb request = {};
  // Of a write that a thread has waited for.
  int64_t result = 0;
  uint8_t* bytes = nullptr;
  size_t capacity = 0;
  napi_ref done = nullptr;

  Write() = default;
  Write(const Write&) = delete;
  Write& operator=(const Write&) = delete;
  ~Write() { free(bytes); }

  void take(js::Span from) {
    if (from.size > capacity) {
      free(bytes);
      capacity = (from.size + kMemoryAlignment - 1) / kMemoryAlignment * kMemoryAlignment;
      bytes = static_cast<uint8_t*>(aligned_alloc(kMemoryAlignment, capacity));
      if (bytes == nullptr) throw std::bad_alloc();
    }
    memcpy(bytes, from.data, from.size);
  }
};

class LogWriter {
 public:
  LogWriter(napi_env env, Workers& workers) : env_(env), workers_(workers) {
    poll_.data = this;
    must(napi_add_async_cleanup_hook(env, &LogWriter::tearDown, this, nullptr));
  }

  int open(const std::string& path) {
    if (!start()) return -1;
    const int file = ::open(path.c_str(), O_RDWR | O_DSYNC | O_DIRECT | O_CLOEXEC);
    if (file < 0) return -1;
    // Some disks have larger sectors.
    std::unique_ptr<uint8_t, void (*)(void*)> sector(static_cast<uint8_t*>(aligned_alloc(kMemoryAlignment, kMemoryAlignment)), free);
    if (takesDirectWrites(file) && pread(file, sector.get(), kSectorBytes, kSectorBytes) == static_cast<ssize_t>(kSectorBytes)) return file;
    close(file);
    return -1;
  }

  // 0, 1 if the kernel let this thread wait, or the negative error number with which it refused to begin. Another thread may
  // wait where the caller may not.
  int write(int file, js::Span bytes, uint64_t offset, napi_value done, bool byThread) {
    std::unique_ptr<Write> write;
    if (spare_.empty()) {
      write = std::make_unique<Write>();
    } else {
      write = std::move(spare_.back());
      spare_.pop_back();
    }
    write->take(bytes);
    write->request = {};
    write->request.aio_data = reinterpret_cast<uintptr_t>(write.get());
    write->request.aio_lio_opcode = IOCB_CMD_PWRITE;
    write->request.aio_fildes = static_cast<uint32_t>(file);
    write->request.aio_buf = reinterpret_cast<uintptr_t>(write->bytes);
    write->request.aio_nbytes = bytes.size;
    write->request.aio_offset = static_cast<int64_t>(offset);
    write->request.aio_flags = IOCB_FLAG_RESFD;
    write->request.aio_resfd = static_cast<uint32_t>(event_);
    if (byThread) return writeByThread(std::move(write), done);
    iocb* request = &write->request;
    const long waitsBefore = waits();
    if (syscall(SYS_io_submit, context_, 1, &request) != 1) return -errno;
    const bool waited = waits() != waitsBefore;
    must(napi_create_reference(env_, done, 1, &write->done));
    // The kernel has it now; `finish` takes it back.
    write.release();
    if (pending_++ == 0) uv_ref(reinterpret_cast<uv_handle_t*>(&poll_));
    return waited ? 1 : 0;
  }

 private:
  // How often this thread has given up its processor of its own accord. Being preempted does not count.
  static long waits() {
    rusage usage = {};
    getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_nvcsw;
  }

  // The same write on the same descriptor: nothing of it passes through the page cache here either.
  class ThreadWrite final : public Work {
   public:
    ThreadWrite(LogWriter& writer, std::unique_ptr<Write> write) : writer_(writer), write_(std::move(write)) {}
    void run() override {
      const iocb& request = write_->request;
      const ssize_t written = pwrite(static_cast<int>(request.aio_fildes), write_->bytes, request.aio_nbytes, request.aio_offset);
      write_->result = written < 0 ? -errno : written;
    }
    void finish() override { writer_.finishByThread(std::move(write_)); }

   private:
    LogWriter& writer_;
    std::unique_ptr<Write> write_;
  };

  int writeByThread(std::unique_ptr<Write> write, napi_value done) {
    must(napi_create_reference(env_, done, 1, &write->done));
    workers_.post(Pool::log, std::make_unique<ThreadWrite>(*this, std::move(write)));
    return 0;
  }

  void finishByThread(std::unique_ptr<Write> write) {
    tell(*write, static_cast<double>(write->result));
    spare_.push_back(std::move(write));
  }

  bool start() {
    if (event_ >= 0) return true;
    if (syscall(SYS_io_setup, kMostWrites, &context_) != 0) return false;
    event_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    uv_loop_t* loop = nullptr;
    must(napi_get_uv_event_loop(env_, &loop));
    if (event_ < 0 || uv_poll_init(loop, &poll_, event_) != 0) throw EngineError(ErrorKind::error, "internal", "no event descriptor");
    napi_value name = js::text(env_, "thermocline:log");
    must(napi_async_init(env_, nullptr, name, &async_));
    uv_poll_start(&poll_, UV_READABLE, [](uv_poll_t* poll, int, int) { static_cast<LogWriter*>(poll->data)->finish(); });
    // Only a write under way keeps the process from ending.
    uv_unref(reinterpret_cast<uv_handle_t*>(&poll_));
    return true;
  }

  void finish() {
    uint64_t count;
    if (read(event_, &count, sizeof count) < 0) return;
    io_event events[kMostWrites];
    timespec now = {};
    const long finished = syscall(SYS_io_getevents, context_, 0, kMostWrites, events, &now);
    for (long i = 0; i < finished; i++) {
      std::unique_ptr<Write> write(reinterpret_cast<Write*>(events[i].data));
      if (--pending_ == 0) uv_unref(reinterpret_cast<uv_handle_t*>(&poll_));
      tell(*write, static_cast<double>(events[i].res));
      spare_.push_back(std::move(write));
    }
  }

  void tell(const Write& write, double result) {
    js::callFromLoop(env_, async_, write.done, result);
    napi_delete_reference(env_, write.done);
  }

  static void tearDown(napi_async_cleanup_hook_handle hook, void* data) {
    auto* writer = static_cast<LogWriter*>(data);
    writer->hook_ = hook;
    if (writer->event_ < 0) {
      writer->end();
      return;
    }
    // Waits for what is under way: the kernel reads from its memory.
    syscall(SYS_io_destroy, writer->context_);
    uv_close(reinterpret_cast<uv_handle_t*>(&writer->poll_), [](uv_handle_t* poll) {
      auto* closed = static_cast<LogWriter*>(poll->data);
      close(closed->event_);
      closed->end();
    });
  }

  void end() {
    napi_remove_async_cleanup_hook(hook_);
    delete this;
  }

  napi_env env_;
  Workers& workers_;
  napi_async_context async_ = nullptr;
  napi_async_cleanup_hook_handle hook_ = nullptr;
  aio_context_t context_ = 0;
  int event_ = -1;
  uv_poll_t poll_ = {};
  uint32_t pending_ = 0;
  std::vector<std::unique_ptr<Write>> spare_;
};

LogWriter& writerOf(napi_env env, napi_callback_info info) {
  void* data = nullptr;
  must(napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &data));
  return *static_cast<LogWriter*>(data);
}

napi_value openDirect(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const js::Arguments<1> arguments(env, info);
    return js::number(env, writerOf(env, info).open(js::toText(env, arguments[0], "path")));
  });
}

napi_value writeDirect(napi_env env, napi_callback_info info) {
  return js::guarded(env, [&] {
    const js::Arguments<5> arguments(env, info);
    LogWriter& writer = writerOf(env, info);
    bool byThread = false;
    must(napi_get_value_bool(env, arguments[4], &byThread));
    const int file = static_cast<int>(arguments.u32(0, "file"));
    return js::number(env, writer.write(file, arguments.bytes(1, "bytes"), arguments.index(2, "offset"), arguments[3], byThread));
  });
}

}  // namespace

void addLogWriter(napi_env env, napi_value exports, Workers& workers) {
  auto* writer = new LogWriter(env, workers);
  js::addWith(env, exports, "openDirect", openDirect, writer);
  js::addWith(env, exports, "writeDirect", writeDirect, writer);
}

}  // namespace thermocline

#else

namespace thermocline {

void addLogWriter(napi_env env, napi_value exports, Workers&) {
  js::guarded(env, [&] {
    napi_value function;
    js::must(napi_create_function(
        env, "openDirect", NAPI_AUTO_LENGTH, [](napi_env inner, napi_callback_info) { return js::number(inner, -1); }, nullptr, &function));
    js::set(env, exports, "openDirect", function);
    return exports;
  });
}

}  // namespace thermocline

#endif
