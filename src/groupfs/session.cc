#include "groupfs/session.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <optional>
#include <system_error>

#include "groupfs/fuse_api.h"

namespace warren::groupfs {

namespace {

// libfuse prints to the standard error, which is the user's terminal.
void no_log(fuse_log_level, const char*, va_list) {}

// Memory for one request; libfuse allocates it, and uses it again.
struct Buffer {
  fuse_buf buf{};
  Buffer() = default;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { std::free(buf.mem); }
};

}  // namespace

void Session::SessionEnd::operator()(fuse_session* session) const { fuse_session_destroy(session); }

Session::Session(FileSystem::Shared& shared, GroupRef root, std::unique_ptr<FileTable> table,
                 MountPoint mount)
    : table_(std::move(table)),
      mount_(std::move(mount)),
      file_system_(shared, std::move(root), *table_) {}

Result<std::unique_ptr<Session>> Session::create(FileSystem::Shared& shared, GroupRef root,
                                                 const MountRequest& request, std::string* reason) {
  auto table = FileTable::create();
  if (!table) return table.error();
  std::optional<Result<MountPoint>> mount;
  (*table)->run([&] { mount = MountPoint::mount(request, reason); });
  if (!*mount) return mount->error();
  return std::unique_ptr<Session>(
      new Session(shared, std::move(root), std::move(*table), std::move(**mount)));
}

Result<void> Session::start(std::function<void()> on_end) {
  on_end_ = std::move(on_end);
  int error = 0;
  table_->run([&] { error = begin(); });
  if (error == 0) return {};
  // Nobody will serve it.
  (void)mount_.unmount(true);
  return Errno{error};
}

int Session::begin() {
  fuse_set_log_func(no_log);
  stopping_.reset(eventfd(0, EFD_CLOEXEC));
  if (!stopping_) return EMFILE;
  char name[] = "rcfs";
  char* arguments[] = {name, nullptr};
  fuse_args args = FUSE_ARGS_INIT(1, arguments);
  const fuse_lowlevel_ops operations = FileSystem::operations();
  session_.reset(fuse_session_new(&args, &operations, sizeof operations, &file_system_));
  fuse_opt_free_args(&args);
  if (!session_) return ENOMEM;

  UniqueFd device = mount_.take_device();
  // Between poll(2) and read(2) a request can be taken back.
  const int flags = fcntl(device.get(), F_GETFL);
  if (flags < 0 || fcntl(device.get(), F_SETFL, flags | O_NONBLOCK) != 0) return errno;
  // That path makes it take a mounted device as it is.
  const std::string path = "/dev/fd/" + std::to_string(device.get());
  if (fuse_session_mount(session_.get(), path.c_str()) != 0) return EIO;
  device_ = device.release();
  return add_thread() ? 0 : EAGAIN;
}

Session::~Session() { stop(); }

bool Session::dropped() const {
  pollfd device{device_, POLLIN, 0};
  table_->run([&] { (void)::poll(&device, 1, 0); });
  return (device.revents & POLLERR) != 0;
}

bool Session::add_thread() {
  const std::lock_guard lock(mutex_);
  if (ended_) return false;
  try {
    threads_.emplace_back([this] { serve(); });
  } catch (const std::system_error&) {
    return false;
  }
  ++idle_;
  return true;
}

bool Session::receive(fuse_buf& buffer) {
  while (true) {
    pollfd fds[] = {{device_, POLLIN, 0}, {stopping_.get(), POLLIN, 0}};
    if (::poll(fds, 2, -1) < 0) continue;  // EINTR
    if (fds[1].revents != 0) return false;
    const int size = fuse_session_receive_buf(session_.get(), &buffer);
    if (size > 0) return true;
    if (size != -EAGAIN && size != -EINTR) return false;
  }
}

void Session::serve() {
  pthread_setname_np(pthread_self(), "rcfs");
  Buffer buffer;
  while (true) {
    bool received = false;
    {
      const std::lock_guard waiting(waiting_);
      received = receive(buffer.buf);
    }
    bool alone = false;
    {
      const std::lock_guard lock(mutex_);
      if (!received) {
        const bool first = !std::exchange(ended_, true);
        pollfd stopping{stopping_.get(), POLLIN, 0};
        const bool stopped = ::poll(&stopping, 1, 0) > 0;
        // Under the lock, which stop() takes: so not after it has begun to wait for the threads.
        if (first && !stopped && on_end_) on_end_();
        return;
      }
      alone = --idle_ == 0 && threads_.size() < kMaxThreads;
    }
    // If none can be had, requests wait until this one is done.
    if (alone) (void)add_thread();
    fuse_session_process_buf(session_.get(), &buffer.buf);
    const std::lock_guard lock(mutex_);
    ++idle_;
  }
}

void Session::stop() {
  table_->run([this] {
    const std::uint64_t one = 1;
    if (stopping_) (void)!write(stopping_.get(), &one, sizeof one);
  });
  std::list<std::thread> threads;
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    threads.swap(threads_);
  }
  for (std::thread& thread : threads) thread.join();
  file_system_.close_all();  // nobody will be told of changes by a session that is gone
  table_->run([this] {
    session_.reset();  // closes the device: whoever waits for an answer gets one
    mount_.release();
    stopping_.reset();
  });
}

}  // namespace warren::groupfs
