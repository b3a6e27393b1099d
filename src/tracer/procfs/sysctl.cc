#include "tracer/procfs/sysctl.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <utility>

namespace warren::procfs {

Result<int> parse_sysctl(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\0'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return Errno{EINVAL};
  return value;
}

Result<UniqueFd> SysctlWrites::open(int access, std::string_view content, Setter setter) {
  int fds[2];
  // Both keep one write apart from the next.
  if (access == O_WRONLY) {
    if (::pipe2(fds, O_CLOEXEC | O_DIRECT) != 0) return Errno{errno};
  } else {
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0) return Errno{errno};
  }
  UniqueFd ours(fds[0]);
  UniqueFd guests(fds[1]);
  if (access != O_WRONLY) {
    // The guest reads the content and then end of file.
    if (::write(ours.get(), content.data(), content.size()) < 0) return Errno{errno};
    if (::shutdown(ours.get(), SHUT_WR) != 0) return Errno{errno};
  }
  if (::fcntl(ours.get(), F_SETFL, O_NONBLOCK) != 0) return Errno{errno};
  const std::lock_guard lock(mutex_);
  channels_.push_back({std::move(ours), std::move(setter)});
  open_.fetch_add(1, std::memory_order_release);
  return guests;
}

void SysctlWrites::drain() {
  // The setters run under the lock: a second caller must not go on before the values are set.
  const std::lock_guard lock(mutex_);
  for (size_t i = 0; i < channels_.size();) {
    char buffer[256];
    const ssize_t count = ::read(channels_[i].fd.get(), buffer, sizeof buffer);
    if (count > 0) {
      const auto value = parse_sysctl({buffer, static_cast<size_t>(count)});
      if (value) channels_[i].setter(*value);
    } else if (count < 0 && errno == EAGAIN) {
      ++i;
    } else if (count == 0 || errno != EINTR) {
      // All of the guest's descriptors are closed.
      channels_.erase(channels_.begin() + static_cast<ptrdiff_t>(i));
      open_.fetch_sub(1, std::memory_order_release);
    }
  }
}

}  // namespace warren::procfs
