#include "tracer/host_features.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "base/unique_fd.h"
#include "inject/layout.h"

namespace warren {
namespace {

// Not in the C library's headers of all supported hosts.
constexpr long kLandlockCreateRuleset = 444;
constexpr unsigned kLandlockVersionFlag = 1;

constexpr std::array<std::pair<std::string_view, HostFeature>, 4> kNames{
    {{"sync-wakeup", HostFeature::kSyncWakeup},
     {"landlock", HostFeature::kLandlock},
     {"pidfd-epoll", HostFeature::kPidfdEpoll},
     {"pidfd-self", HostFeature::kPidfdSelf}}};

std::optional<HostFeature> feature_by_name(std::string_view name) {
  for (const auto& [known, feature] : kNames) {
    if (known == name) return feature;
  }
  return std::nullopt;
}

// Where SIGCHLD is ignored, or it was waited for, it is gone already.
void wait_for(pid_t child) {
  while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
}

// The event of the only descriptor in the set, which a host that tells of it has by now. 0 or an
// errno: EOPNOTSUPP if there is none.
int next_event(int epoll, std::uint32_t* events) {
  epoll_event event{};
  int count;
  do {
    count = epoll_wait(epoll, &event, 1, 0);
  } while (count < 0 && errno == EINTR);
  *events = event.events;
  return count > 0 ? 0 : count == 0 ? EOPNOTSUPP : errno;
}

// As DeathWatch does it: edges, of a child that ends, as soon as `alive` is closed, and is then
// waited for.
int try_child_in_epoll(pid_t child, UniqueFd alive) {
  const UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, child, 0)));
  if (!pidfd) return errno;
  const UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return errno;
  epoll_event wanted{.events = EPOLLIN | EPOLLET, .data = {.u64 = 0}};
  if (epoll_ctl(epoll.get(), EPOLL_CTL_ADD, pidfd.get(), &wanted) != 0) return errno;
  alive.reset();
  // The kernel tells who waits for the child and who watches its descriptor under one lock.
  siginfo_t info;
  while (waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT) != 0 && errno == EINTR) {
  }
  std::uint32_t events = 0;
  if (const int error = next_event(epoll.get(), &events); error != 0) return error;
  wait_for(child);
  if ((events & EPOLLHUP) != 0) return 0;
  if (const int error = next_event(epoll.get(), &events); error != 0) return error;
  return (events & EPOLLHUP) != 0 ? 0 : EOPNOTSUPP;
}

int try_pidfd_epoll() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return errno;
  UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  const pid_t child = fork();
  if (child < 0) return errno;
  if (child == 0) {
    // Ends with its parent at the latest.
    writer.reset();
    char byte;
    while (read(reader.get(), &byte, 1) < 0 && errno == EINTR) {
    }
    _exit(0);
  }
  const int error = try_child_in_epoll(child, std::move(writer));
  wait_for(child);
  return error;
}

}  // namespace

std::optional<std::string> HostFeatures::switch_off(std::string_view list) {
  std::uint8_t off = off_;
  for (bool more = !list.empty(); more;) {
    const std::size_t comma = list.find(',');
    more = comma != std::string_view::npos;
    const std::string_view name = list.substr(0, comma);
    const std::optional<HostFeature> feature = feature_by_name(name);
    if (!feature) return std::string(name);
    off |= bit(*feature);
    if (more) list.remove_prefix(comma + 1);
  }
  off_ = off;
  return std::nullopt;
}

std::string HostFeatures::names() {
  std::string all;
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (i > 0) all += i + 1 < kNames.size() ? ", " : " or ";
    all += kNames[i].first;
  }
  return all;
}

int HostFeatures::landlock_abi(int* error) {
  if (!landlock_) {
    long version = -1;
    if (is_off(HostFeature::kLandlock)) {
      errno = EOPNOTSUPP;
    } else {
      version = syscall(kLandlockCreateRuleset, nullptr, 0, kLandlockVersionFlag);
    }
    landlock_ = version > 0 ? Landlock{static_cast<int>(version), 0} : Landlock{0, errno};
  }
  if (error) *error = landlock_->error;
  return landlock_->abi;
}

int HostFeatures::pidfd_epoll_error() {
  if (!pidfd_epoll_error_) {
    pidfd_epoll_error_ = is_off(HostFeature::kPidfdEpoll) ? EOPNOTSUPP : try_pidfd_epoll();
  }
  return *pidfd_epoll_error_;
}

int HostFeatures::pidfd_self_error() const {
  if (is_off(HostFeature::kPidfdSelf)) return EOPNOTSUPP;
  // Signal 0 reaches nobody.
  for (const int self : {WARREN_PIDFD_SELF_THREAD, WARREN_PIDFD_SELF_THREAD_GROUP}) {
    if (syscall(SYS_pidfd_send_signal, self, 0, nullptr, 0) != 0) return errno;
  }
  return 0;
}

}  // namespace warren
