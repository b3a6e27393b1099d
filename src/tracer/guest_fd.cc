#include "tracer/guest_fd.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL
#endif
#include <fcntl.h>

#include "tracer/procfs/position.h"

namespace warren {

namespace {

// pidfd_open takes process ids; a thread's needs PIDFD_THREAD (Linux 6.9), or its process.
Result<UniqueFd> open_pidfd(pid_t tid) {
  long fd = syscall(SYS_pidfd_open, tid, PIDFD_THREAD);
  if (fd < 0 && errno == EINVAL) fd = syscall(SYS_pidfd_open, tid, 0);
  if (fd < 0 && errno == EINVAL) {
    char path[64];
    std::snprintf(path, sizeof path, "/proc/%d/status", tid);
    FILE* file = std::fopen(path, "re");
    if (!file) return Errno{ESRCH};
    int tgid = 0;
    char line[256];
    while (std::fgets(line, sizeof line, file)) {
      if (std::sscanf(line, "Tgid: %d", &tgid) == 1) break;
    }
    std::fclose(file);
    fd = syscall(SYS_pidfd_open, tgid, 0);
  }
  if (fd < 0) return Errno{errno};
  return UniqueFd(static_cast<int>(fd));
}

}  // namespace

Result<UniqueFd> guest_fd(pid_t tid, int fd) {
  auto pidfd = open_pidfd(tid);
  if (!pidfd) return pidfd.error();
  const long copy = syscall(SYS_pidfd_getfd, pidfd->get(), fd, 0);
  if (copy < 0) return Errno{errno};
  return UniqueFd(static_cast<int>(copy));
}

Result<pid_t> pidfd_target(int pidfd) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/self/fdinfo/%d", pidfd);
  FILE* file = std::fopen(path, "re");
  if (!file) return Errno{EBADF};
  int pid = 0;
  bool found = false;
  char line[256];
  while (!found && std::fgets(line, sizeof line, file)) {
    found = std::sscanf(line, "Pid: %d", &pid) == 1;
  }
  std::fclose(file);
  if (!found) return procfs::process_of_directory(pidfd);
  if (pid <= 0) return Errno{ESRCH};
  return static_cast<pid_t>(pid);
}

}  // namespace warren
