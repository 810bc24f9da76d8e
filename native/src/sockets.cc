#include "sockets.h"

#include <fcntl.h>
#include <unistd.h>
#include <uv.h>

#include <memory>
#include <string>
#include <unordered_map>

#include "js.h"

namespace thermocline {
namespace {

using js::must;

constexpr size_t kReadBytes = 64 * 1024;
constexpr size_t kEventNumbers = 3;
constexpr uint32_t kDrained = 0;
constexpr uint32_t kClosed = 1;

class Sockets {
 public:
  explicit Sockets(napi_env env) : env_(env) {
    must(napi_add_async_cleanup_hook(env, tearDown, this, &hook_));
  }

  void open(napi_value input, napi_value events, napi_value onTurn) {
    if (onTurn_ != nullptr) throw EngineError(ErrorKind::error, "internal", "sockets are open already");
    const js::Span inputSpan = js::toBytes(env_, input, "input");
    const js::Numbers numbers = js::toNumbers(env_, events, "events");
    if (inputSpan.size < 2 * kReadBytes || numbers.size < 2 * kEventNumbers) {
      throw EngineError(ErrorKind::range, "ERR_OUT_OF_RANGE", "input or events are too small");
    }
    uv_loop_t* loop = nullptr;
    must(napi_get_uv_event_loop(env_, &loop));
    must(napi_async_init(env_, nullptr, js::text(env_, "thermocline:sockets"), &async_));
    must(napi_create_reference(env_, input, 1, &inputKept_));
    must(napi_create_reference(env_, events, 1, &eventsKept_));
    must(napi_create_reference(env_, onTurn, 1, &onTurn_));
    input_ = inputSpan;
    events_ = numbers.data;
    mostEvents_ = numbers.size / kEventNumbers;
    loop_ = loop;
    uv_check_init(loop, &check_);
    check_.data = this;
    // Sockets have been polled: what they brought together is told together.
    uv_check_start(&check_, [](uv_check_t* check) { static_cast<Sockets*>(check->data)->deliver(); });
    uv_unref(reinterpret_cast<uv_handle_t*>(&check_));
  }

  uint32_t adopt(int file) {
    if (onTurn_ == nullptr) throw EngineError(ErrorKind::error, "internal", "sockets are not open");
    const int own = fcntl(file, F_DUPFD_CLOEXEC, 0);
    if (own < 0) throw EngineError(ErrorKind::error, "internal", std::string("a socket cannot be taken over: ") + strerror(errno));
    auto* socket = new Socket();
    socket->owner = this;
    socket->number = next_++;
    socket->tcp.data = socket;
    uv_tcp_init(loop_, &socket->tcp);
    sockets_.emplace(socket->number, socket);
    if (const int error = uv_tcp_open(&socket->tcp, own); error != 0) {
      ::close(own);
      close(*socket);
      throw EngineError(ErrorKind::error, "internal", std::string("a socket cannot be taken over: ") + uv_strerror(error));
    }
    read(*socket, true);
    return socket->number;
  }

  size_t write(uint32_t number, js::Span bytes) {
    Socket* socket = find(number);
    if (socket == nullptr) return 0;
    uv_buf_t buffer = uv_buf_init(reinterpret_cast<char*>(bytes.data), static_cast<unsigned>(bytes.size));
    const int sent = uv_try_write(socket->stream(), &buffer, 1);
    if (sent < 0 && sent != UV_EAGAIN) {
      // The reading end is told why, and closes it.
      read(*socket, true);
      return 0;
    }
    const size_t taken = sent < 0 ? 0 : static_cast<size_t>(sent);
    if (taken < bytes.size) queue(*socket, bytes.data + taken, bytes.size - taken);
    return uv_stream_get_write_queue_size(socket->stream());
  }

  void read(uint32_t number, bool on) {
    if (Socket* socket = find(number)) read(*socket, on);
  }

  void end(uint32_t number) {
    Socket* socket = find(number);
    if (socket == nullptr) return;
    auto* request = new uv_shutdown_t();
    if (uv_shutdown(request, socket->stream(), [](uv_shutdown_t* done, int) { delete done; }) != 0) delete request;
  }

  void close(uint32_t number) {
    if (Socket* socket = find(number)) close(*socket);
  }

 private:
  struct Socket {
    uv_tcp_t tcp = {};
    Sockets* owner = nullptr;
    uint32_t number = 0;
    // The other side has said that nothing more comes; what is unsent still goes out.
    bool atEnd = false;

    uv_stream_t* stream() { return reinterpret_cast<uv_stream_t*>(&tcp); }
  };
  struct Write {
    uv_write_t request = {};
    std::string bytes;
  };

  Socket* find(uint32_t number) const {
    const auto found = sockets_.find(number);
    return found == sockets_.end() ? nullptr : found->second;
  }

  void read(Socket& socket, bool on) {
    if (!on) {
      uv_read_stop(socket.stream());
      return;
    }
    if (socket.atEnd) return;
    uv_read_start(
        socket.stream(),
        [](uv_handle_t* handle, size_t, uv_buf_t* buffer) {
          const Sockets& owner = *static_cast<Socket*>(handle->data)->owner;
          *buffer = uv_buf_init(reinterpret_cast<char*>(owner.input_.data + owner.used_), static_cast<unsigned>(owner.input_.size - owner.used_));
        },
        [](uv_stream_t* stream, ssize_t count, const uv_buf_t*) {
          Socket& from = *static_cast<Socket*>(stream->data);
          from.owner->onRead(from, count);
        });
  }

  void onRead(Socket& socket, ssize_t count) {
    if (count > 0) {
      note(socket.number, static_cast<uint32_t>(used_), static_cast<uint32_t>(count));
      used_ += static_cast<size_t>(count);
    } else if (count == UV_EOF && uv_stream_get_write_queue_size(socket.stream()) > 0) {
      socket.atEnd = true;
      uv_read_stop(socket.stream());
    } else if (count < 0) {
      lose(socket, static_cast<int>(count));
    }
    deliverIfFull();
  }

  void queue(Socket& socket, const uint8_t* from, size_t size) {
    auto* write = new Write();
    write->bytes.assign(reinterpret_cast<const char*>(from), size);
    write->request.data = write;
    uv_buf_t buffer = uv_buf_init(write->bytes.data(), static_cast<unsigned>(size));
    const int error = uv_write(&write->request, socket.stream(), &buffer, 1, [](uv_write_t* request, int status) {
      const std::unique_ptr<Write> done(static_cast<Write*>(request->data));
      Socket& to = *static_cast<Socket*>(request->handle->data);
      if (status != UV_ECANCELED) to.owner->onWritten(to, status);
    });
    if (error != 0) delete write;
  }

  void onWritten(Socket& socket, int status) {
    if (status < 0) {
      lose(socket, status);
    } else if (uv_stream_get_write_queue_size(socket.stream()) == 0) {
      if (socket.atEnd) {
        lose(socket, UV_EOF);
      } else {
        note(socket.number, kDrained, 0);
      }
    }
    deliverIfFull();
  }

  void lose(Socket& socket, int error) {
    const uint32_t number = socket.number;
    if (find(number) != &socket) return;
    close(socket);
    note(number, kClosed + static_cast<uint32_t>(-error), 0);
  }

  // It is not known any more, and goes once the loop has let go of it.
  void close(Socket& socket) {
    sockets_.erase(socket.number);
    closing_++;
    uv_close(reinterpret_cast<uv_handle_t*>(&socket.tcp), [](uv_handle_t* handle) {
      const std::unique_ptr<Socket> closed(static_cast<Socket*>(handle->data));
      closed->owner->onClosed();
    });
  }

  void note(uint32_t socket, uint32_t offset, uint32_t length) {
    uint32_t* event = events_ + count_ * kEventNumbers;
    event[0] = socket;
    event[1] = offset;
    event[2] = length;
    count_++;
  }

  void deliverIfFull() {
    if (count_ == mostEvents_ || input_.size - used_ < kReadBytes) deliver();
  }

  void deliver() {
    if (count_ == 0) return;
    js::callFromLoop(env_, async_, onTurn_, static_cast<double>(count_));
    count_ = 0;
    used_ = 0;
  }

  static void tearDown(napi_async_cleanup_hook_handle hook, void* data) {
    auto* sockets = static_cast<Sockets*>(data);
    sockets->hook_ = hook;
    sockets->isEnding_ = true;
    sockets->count_ = 0;
    while (!sockets->sockets_.empty()) sockets->close(*sockets->sockets_.begin()->second);
    if (sockets->onTurn_ != nullptr) {
      sockets->closing_++;
      uv_close(reinterpret_cast<uv_handle_t*>(&sockets->check_), [](uv_handle_t* check) { static_cast<Sockets*>(check->data)->onClosed(); });
    }
    sockets->endIfClosed();
  }

  void onClosed() {
    closing_--;
    endIfClosed();
  }

  void endIfClosed() {
    if (!isEnding_ || closing_ > 0) return;
    napi_remove_async_cleanup_hook(hook_);
    delete this;
  }

  napi_env env_;
  napi_async_context async_ = nullptr;
  napi_async_cleanup_hook_handle hook_ = nullptr;
  napi_ref inputKept_ = nullptr;
  napi_ref eventsKept_ = nullptr;
  napi_ref onTurn_ = nullptr;
  uv_loop_t* loop_ = nullptr;
  uv_check_t check_ = {};
  js::Span input_;
  size_t used_ = 0;
  uint32_t* events_ = nullptr;
  size_t mostEvents_ = 0;
  size_t count_ = 0;
  // Owned; each is deleted once it is closed.
  std::unordered_map<uint32_t, Socket*> sockets_;
  uint32_t next_ = 1;
  uint32_t closing_ = 0;
  bool isEnding_ = false;
};

// Runs with this environment's sockets and the arguments of a call.
template <size_t N, typename Body>
napi_value with(napi_env env, napi_callback_info info, Body body) {
  return js::guarded(env, [&] {
    void* data = nullptr;
    must(napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &data));
    return body(*static_cast<Sockets*>(data), js::Arguments<N>(env, info));
  });
}

napi_value socketsOpen(napi_env env, napi_callback_info info) {
  return with<3>(env, info, [env](Sockets& sockets, const js::Arguments<3>& arguments) {
    sockets.open(arguments[0], arguments[1], arguments[2]);
    return js::undefined(env);
  });
}

napi_value socketAdopt(napi_env env, napi_callback_info info) {
  return with<1>(env, info, [env](Sockets& sockets, const js::Arguments<1>& arguments) {
    return js::number(env, sockets.adopt(static_cast<int>(arguments.u32(0, "file"))));
  });
}

napi_value socketWrite(napi_env env, napi_callback_info info) {
  return with<2>(env, info, [env](Sockets& sockets, const js::Arguments<2>& arguments) {
    return js::number(env, static_cast<double>(sockets.write(arguments.u32(0, "socket"), arguments.bytes(1, "bytes"))));
  });
}

napi_value socketRead(napi_env env, napi_callback_info info) {
  return with<2>(env, info, [env](Sockets& sockets, const js::Arguments<2>& arguments) {
    bool on = false;
    must(napi_get_value_bool(env, arguments[1], &on));
    sockets.read(arguments.u32(0, "socket"), on);
    return js::undefined(env);
  });
}

napi_value socketEnd(napi_env env, napi_callback_info info) {
  return with<1>(env, info, [env](Sockets& sockets, const js::Arguments<1>& arguments) {
    sockets.end(arguments.u32(0, "socket"));
    return js::undefined(env);
  });
}

napi_value socketClose(napi_env env, napi_callback_info info) {
  return with<1>(env, info, [env](Sockets& sockets, const js::Arguments<1>& arguments) {
    sockets.close(arguments.u32(0, "socket"));
    return js::undefined(env);
  });
}

}  // namespace

void addSockets(napi_env env, napi_value exports) {
  auto* sockets = new Sockets(env);
  const std::pair<const char*, napi_callback> functions[] = {
      {"socketsOpen", socketsOpen}, {"socketAdopt", socketAdopt}, {"socketWrite", socketWrite},
      {"socketRead", socketRead},   {"socketEnd", socketEnd},     {"socketClose", socketClose},
  };
  for (const auto& [name, function] : functions) js::addWith(env, exports, name, function, sockets);
}

}  // namespace thermocline
