#include "tracer/death_watch.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace warren {

namespace {
// Milliseconds that something may stay untold which nobody asks for (drain()), at first and at
// last.
constexpr int kPatience = 2;
constexpr int kMostPatience = 16;
}  // namespace

Result<void> DeathWatch::start(Observer observer, StrangerObserver stranger_observer,
                               Looker looker) {
  observer_ = std::move(observer);
  stranger_observer_ = std::move(stranger_observer);
  looker_ = std::move(looker);
  epoll_.reset(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_.ok()) return Errno{errno};
  wake_.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake_.ok()) return Errno{errno};
  epoll_event event{.events = EPOLLIN, .data = {.u64 = 0}};
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event) != 0) return Errno{errno};
  thread_ = std::thread([this] { run(); });
  return {};
}

void DeathWatch::run() {
  pollfd happened{epoll_.get(), POLLIN, 0};
  pollfd woken{wake_.get(), POLLIN, 0};
  int patience = kPatience;
  while (!stopping_) {
    poll(&happened, 1, -1);
    std::uint64_t count = 0;
    [[maybe_unused]] const ssize_t taken = read(wake_.get(), &count, sizeof count);
    // Most deaths are told by the parent's wait in a moment, and this one is then not needed. Who
    // expects news has woken this thread by now, and does not again.
    if (!stopping_) poll(&woken, 1, patience);
    const bool more = expects_news_.exchange(false) && looker_() != 0;
    patience = more ? std::min(2 * patience, kMostPatience) : kPatience;
    if (more) expect_news();
    tell();
  }
}

void DeathWatch::wake() {
  const std::uint64_t one = 1;
  // Cannot fail: the counter is far from full.
  [[maybe_unused]] const ssize_t written = write(wake_.get(), &one, sizeof one);
}

void DeathWatch::expect_news() {
  if (!expects_news_.exchange(true)) wake();
}

void DeathWatch::stop() {
  if (!thread_.joinable()) return;
  stopping_ = true;
  wake();
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

// All that there is to tell by now, so that who has seen a death's consequence knows of the death;
// but not what comes meanwhile, which need not end.
void DeathWatch::tell() {
  const std::lock_guard telling(telling_);
  std::size_t most = 0;
  {
    const std::lock_guard lock(mutex_);
    most = watched_.size() + 1;
  }
  while (const std::size_t told = tell_some()) {
    if (told >= most) break;
    most -= told;
  }
}

std::size_t DeathWatch::tell_some() {
  std::array<epoll_event, 64> events;
  const int count = epoll_wait(epoll_.get(), events.data(), events.size(), 0);
  if (count < 0) return 0;
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    if (event.data.u64 == 0) continue;  // only to wake the watch's own thread
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
  // Less than there was room for is all.
  return static_cast<std::size_t>(count) < events.size() ? 0 : events.size();
}

}  // namespace warren
