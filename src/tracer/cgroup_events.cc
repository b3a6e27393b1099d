#include "tracer/cgroup_events.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <cstdint>
#include <utility>

#include "tracer/cgroup_dir.h"

namespace warren::cgroup {

namespace {
// Those of warren's subsystems that poll(2) tells of.
constexpr const char* kFiles[] = {"pids.events", "pids.events.local", "memory.events"};
}  // namespace

Events::Events(std::function<void(Group&, const std::string&)> changed)
    : changed_(std::move(changed)),
      inotify_(away_from_low(UniqueFd(inotify_init1(IN_CLOEXEC | IN_NONBLOCK)))),
      stop_(away_from_low(UniqueFd(eventfd(0, EFD_CLOEXEC)))) {
  if (inotify_.ok() && stop_.ok()) thread_ = std::thread([this] { run(); });
}

Events::~Events() {
  if (!thread_.joinable()) return;
  eventfd_write(stop_.get(), 1);
  thread_.join();
}

void Events::add(int directory, Group& group) {
  if (!thread_.joinable()) return;
  const std::string prefix = "/proc/self/fd/" + std::to_string(directory) + "/";
  const std::lock_guard lock(mutex_);
  for (const char* file : kFiles) {
    const int watch = inotify_add_watch(inotify_.get(), (prefix + file).c_str(), IN_MODIFY);
    if (watch >= 0) watches_.insert_or_assign(watch, Watch{&group, file});
  }
}

void Events::remove(const Group& group) {
  const std::lock_guard lock(mutex_);
  std::erase_if(watches_, [&](const auto& watch) {
    if (watch.second.group != &group) return false;
    inotify_rm_watch(inotify_.get(), watch.first);
    return true;
  });
}

void Events::run() {
  alignas(inotify_event) char buffer[4096];
  pollfd fds[2] = {{inotify_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}};
  while (fds[1].revents == 0) {
    if (poll(fds, 2, -1) < 0) continue;
    const ssize_t got = read(inotify_.get(), buffer, sizeof buffer);
    const std::lock_guard lock(mutex_);
    for (ssize_t at = 0; at < got;) {
      const auto* event = reinterpret_cast<const inotify_event*>(buffer + at);
      const auto found = watches_.find(event->wd);
      if (found != watches_.end() && (event->mask & IN_MODIFY) != 0) {
        changed_(*found->second.group, found->second.file);
      }
      at += static_cast<ssize_t>(sizeof *event + event->len);
    }
  }
}

}  // namespace warren::cgroup
