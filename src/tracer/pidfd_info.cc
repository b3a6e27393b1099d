#include "tracer/pidfd_info.h"

#include <sys/ioctl.h>

#include <cstdint>

namespace warren {

namespace {

// linux/pidfd.h, as of its first version.
struct Info {
  std::uint64_t mask;
  std::uint64_t cgroup;
  std::uint32_t pid;
  std::uint32_t tgid;
  std::uint32_t ppid;
  std::uint32_t ids[8];
  std::int32_t exit_code;
};
static_assert(sizeof(Info) == 64);
constexpr unsigned long kGetInfo = _IOWR(0xff, 11, Info);

}  // namespace

pid_t parent_by_pidfd(int pidfd) {
  Info info{};
  info.mask = 1;  // PIDFD_INFO_PID
  return ioctl(pidfd, kGetInfo, &info) == 0 ? static_cast<pid_t>(info.ppid) : 0;
}

}  // namespace warren
