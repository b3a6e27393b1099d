#include "tracer/death_watch.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

namespace warren {

namespace {
// Milliseconds that a death may stay untold which nobody asks for (drain()).
constexpr int kPatience = 2;
}  // namespace

Result<void> DeathWatch::start(Observer observer, StrangerObserver stranger_observer) {
  observer_ = std::move(observer);
  stranger_observer_ = std::move(stranger_observer);
  epoll_.reset(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_.ok()) return Errno{errno};
  stop_.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!stop_.ok()) return Errno{errno};
  epoll_event event{.events = EPOLLIN, .data = {.u64 = 0}};
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, stop_.get(), &event) != 0) return Errno{errno};
  thread_ = std::thread([this] {
    pollfd news{epoll_.get(), POLLIN, 0};
    pollfd stop{stop_.get(), POLLIN, 0};
    do {
      poll(&news, 1, -1);
      // Most deaths are told by the parent's wait in a moment, and this one is then not needed.
      poll(&stop, 1, kPatience);
    } while (tell());
  });
  return {};
}

void DeathWatch::stop() {
  if (!thread_.joinable()) return;
  const std::uint64_t one = 1;
  // Cannot fail: the counter is far from full.
  [[maybe_unused]] const ssize_t written = write(stop_.get(), &one, sizeof one);
  thread_.join();
}

Result<void> DeathWatch::add(pid_t host, Ref<ThreadGroup> process, std::uint64_t key) {
  UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, host, 0)));
  if (!pidfd.ok()) return Errno{errno};
  const int fd = pidfd.get();
  const std::lock_guard lock(mutex_);
  const std::uint64_t id = next_id_++;
  watched_.emplace(id, Watched{std::move(pidfd), std::move(process), host, key});
  ids_[host] = id;
  // Edges: a zombie that its parent leaves would be told of again and again.
  epoll_event event{.events = EPOLLIN | EPOLLET, .data = {.u64 = id}};
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    const int error = errno;
    ids_.erase(host);
    watched_.erase(id);
    return Errno{error};
  }
  return {};
}

Result<void> DeathWatch::watch(ThreadGroup& process) {
  const pid_t host = process.level0();
  {
    const std::lock_guard lock(mutex_);
    const auto it = ids_.find(host);
    if (it != ids_.end() && watched_.at(it->second).process == &process) return {};
  }
  return add(host, Ref<ThreadGroup>(process), 0);
}

Result<void> DeathWatch::watch_stranger(pid_t host, std::uint64_t key) {
  return add(host, nullptr, key);
}

bool DeathWatch::adopt_stranger(pid_t host, ThreadGroup& process) {
  const std::lock_guard lock(mutex_);
  const auto it = ids_.find(host);
  if (it == ids_.end() || watched_.at(it->second).process) return false;
  watched_.at(it->second).process = Ref<ThreadGroup>(process);
  return true;
}

void DeathWatch::forget(ThreadGroup& process) {
  const std::lock_guard lock(mutex_);
  const auto it = ids_.find(process.level0());
  if (it == ids_.end() || watched_.at(it->second).process != &process) return;
  watched_.erase(it->second);
  ids_.erase(it);
}

void DeathWatch::drain() {
  if (epoll_.ok()) tell();
}

bool DeathWatch::tell() {
  const std::lock_guard telling(telling_);
  std::array<epoll_event, 64> events;
  const int count = epoll_wait(epoll_.get(), events.data(), events.size(), 0);
  bool going_on = true;
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    if (event.data.u64 == 0) {
      going_on = false;
      continue;
    }
    Ref<ThreadGroup> process;
    pid_t host = 0;
    std::uint64_t key = 0;
    const bool gone = (event.events & EPOLLHUP) != 0;
    {
      const std::lock_guard lock(mutex_);
      const auto it = watched_.find(event.data.u64);
      if (it == watched_.end()) continue;
      process = it->second.process;
      host = it->second.host;
      key = it->second.key;
      if (gone || !process) {
        if (const auto id = ids_.find(host); id != ids_.end() && id->second == it->first) {
          ids_.erase(id);
        }
        watched_.erase(it);
      }
    }
    if (process) {
      observer_(process, gone);
    } else {
      stranger_observer_(host, key);
    }
  }
  return going_on;
}

}  // namespace warren
