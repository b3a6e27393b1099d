#include "tracer/procfs/credentials.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/unique_fd.h"

namespace warren::procfs {
namespace {

struct Credentials {
  uid_t fsuid = 0;
  gid_t fsgid = 0;
  std::vector<gid_t> groups;
  uint64_t effective = 0;
};

std::vector<uint64_t> numbers_of(std::string_view status, std::string_view key, int base) {
  std::vector<uint64_t> values;
  const size_t start = status.find(key);
  if (start == std::string_view::npos) return values;
  std::string_view line = status.substr(start + key.size());
  line = line.substr(0, line.find('\n'));
  while (!line.empty()) {
    uint64_t value = 0;
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), value, base);
    if (error == std::errc()) {
      values.push_back(value);
      line.remove_prefix(static_cast<size_t>(end - line.data()));
    } else {
      line.remove_prefix(1);
    }
  }
  return values;
}

bool read_credentials(int host_tid, Credentials* out) {
  const std::string path = fmt::format("/proc/{}/status", host_tid);
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.ok()) return false;
  // Groups may make it long: 65536 of up to 11 characters, NGROUPS_MAX.
  std::string status;
  for (;;) {
    char buffer[4096];
    const ssize_t count = ::read(fd.get(), buffer, sizeof buffer);
    if (count < 0) return false;
    if (count == 0) break;
    status.append(buffer, static_cast<size_t>(count));
  }
  // Real, effective, saved, file system.
  const auto uids = numbers_of(status, "\nUid:", 10);
  const auto gids = numbers_of(status, "\nGid:", 10);
  const auto effective = numbers_of(status, "\nCapEff:", 16);
  if (uids.size() != 4 || gids.size() != 4 || effective.size() != 1) return false;
  out->fsuid = static_cast<uid_t>(uids[3]);
  out->fsgid = static_cast<gid_t>(gids[3]);
  for (const uint64_t group : numbers_of(status, "\nGroups:", 10))
    out->groups.push_back(static_cast<gid_t>(group));
  out->effective = effective[0];
  return true;
}

__user_cap_header_struct header() { return {_LINUX_CAPABILITY_VERSION_3, 0}; }

uint64_t effective_of(const __user_cap_data_struct* caps) {
  return (static_cast<uint64_t>(caps[1].effective) << 32) | caps[0].effective;
}

// The C library's setgroups() changes every thread; the system call changes only this one.
bool set_thread_groups(const std::vector<gid_t>& groups) {
  return ::syscall(SYS_setgroups, groups.size(), groups.data()) == 0;
}

}  // namespace

ActAs::ActAs(int host_tid) {
  static const bool privileged = ::geteuid() == 0;
  if (!privileged) return;
  Credentials guest;
  if (!read_credentials(host_tid, &guest)) {
    error_ = ESRCH;
    return;
  }
  auto head = header();
  if (::syscall(SYS_capget, &head, caps_) != 0) {
    error_ = errno;
    return;
  }
  fsuid_ = ::geteuid();
  fsgid_ = ::getegid();
  const uint64_t ours = effective_of(caps_);
  const int count = ::getgroups(0, nullptr);
  groups_.resize(count > 0 ? static_cast<size_t>(count) : 0);
  if (count > 0 && ::getgroups(count, groups_.data()) != count) groups_.clear();
  if (guest.fsuid == fsuid_ && guest.fsgid == fsgid_ && (guest.effective & ours) == ours &&
      guest.groups == groups_)
    return;
  changed_ = true;
  if (!set_thread_groups(guest.groups)) error_ = errno;
  ::setfsgid(guest.fsgid);
  ::setfsuid(guest.fsuid);
  __user_cap_data_struct lowered[_LINUX_CAPABILITY_U32S_3] = {caps_[0], caps_[1]};
  lowered[0].effective &= static_cast<uint32_t>(guest.effective);
  lowered[1].effective &= static_cast<uint32_t>(guest.effective >> 32);
  head = header();
  if (::syscall(SYS_capset, &head, lowered) != 0) error_ = errno;
}

ActAs::~ActAs() {
  if (!changed_) return;
  auto head = header();
  ::syscall(SYS_capset, &head, caps_);
  ::setfsuid(fsuid_);
  ::setfsgid(fsgid_);
  set_thread_groups(groups_);
  head = header();
  ::syscall(SYS_capset, &head, caps_);  // setfsuid(2) to 0 gives back more than there was
}

}  // namespace warren::procfs
