// The seccomp checks of `warren doctor`: a child installs a filter that hands one call to its
// parent.
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>

#include "base/unique_fd.h"
#include "cli/doctor_checks.h"
#include "cli/inside.h"
#include "control/framing.h"

#ifndef SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP  // Linux 6.6; newer than the distribution's headers
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif

namespace warren::cli {
namespace {

constexpr int kPatience = 5000;  // milliseconds for the child's call to arrive

// What the child tells first. The listener's descriptor comes with it.
struct Report {
  int filter_errno;
  int listener_errno;
  int wait_killable_errno;
};

int install(unsigned int action, unsigned int flags) {
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, action),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program{sizeof code / sizeof code[0], code};
  return static_cast<int>(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program));
}

// Whether a filter with SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV is taken. In a process of its own:
// only one listener fits a task.
int try_wait_killable() {
  pid_t child = fork();
  if (child < 0) return errno;
  if (child == 0) {
    int fd = install(SECCOMP_RET_USER_NOTIF,
                     SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
    _exit(fd >= 0 ? 0 : errno);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : ECHILD;
}

// The child's exit status: 0 if its call was answered with a descriptor.
[[noreturn]] void child_main(int socket) {
  Report report{};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  report.wait_killable_errno = try_wait_killable();
  report.filter_errno = install(SECCOMP_RET_ALLOW, 0) < 0 ? errno : 0;
  UniqueFd listener(install(SECCOMP_RET_USER_NOTIF, SECCOMP_FILTER_FLAG_NEW_LISTENER));
  report.listener_errno = listener ? 0 : errno;
  std::string_view bytes(reinterpret_cast<const char*>(&report), sizeof report);
  std::vector<int> fds;
  if (listener) fds.push_back(listener.get());
  if (!control::send_all(socket, bytes, fds) || !listener) _exit(1);
  listener.reset();
  long fd = syscall(SYS_getppid);
  _exit(fd >= 0 && fcntl(static_cast<int>(fd), F_GETFD) >= 0 ? 0 : 1);
}

// Takes the report and the listener (none: -1).
bool receive(int socket, Report& report, UniqueFd& listener) {
  iovec part{&report, sizeof report};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_WAITALL) != sizeof report) return false;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header != nullptr && header->cmsg_type == SCM_RIGHTS) {
    int fd;
    memcpy(&fd, CMSG_DATA(header), sizeof fd);
    listener.reset(fd);
  }
  return true;
}

// Answers the child's call with a descriptor. 0 or errno.
int answer_with_fd(int listener) {
  pollfd ready{listener, POLLIN, 0};
  int polled = poll(&ready, 1, kPatience);
  if (polled <= 0) return polled < 0 ? errno : ETIMEDOUT;
  seccomp_notif call{};
  if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) < 0) return errno;
  seccomp_notif_addfd added{};
  added.id = call.id;
  added.flags = SECCOMP_ADDFD_FLAG_SEND;
  added.srcfd = static_cast<__u32>(listener);
  if (ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &added) >= 0) return 0;
  int error = errno;
  // Let the child go on, and find no descriptor.
  seccomp_notif_resp response{};
  response.id = call.id;
  response.error = -EBADF;
  ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
  return error;
}

Finding finding(const char* name, bool required, int error, const char* good, Health bad,
                const char* cost, const char* advice) {
  if (error == 0) return {name, Health::kOk, required, good, "", ""};
  return {name, bad, required, strerror(error), cost, advice};
}

struct Tried {
  Report report{ECHILD, ECHILD, ECHILD};
  int sync_errno = ECHILD;
  int add_fd_errno = ECHILD;
};

Tried try_all() {
  Tried tried;
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) return tried;
  UniqueFd ours(ends[0]), theirs(ends[1]);
  pid_t child = fork();
  if (child < 0) return tried;
  if (child == 0) {
    ours.reset();
    child_main(theirs.get());
  }
  theirs.reset();
  UniqueFd listener;
  if (receive(ours.get(), tried.report, listener) && listener) {
    bool set = ioctl(listener.get(), SECCOMP_IOCTL_NOTIF_SET_FLAGS,
                     SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP) == 0;
    tried.sync_errno = set ? 0 : errno;
    tried.add_fd_errno = answer_with_fd(listener.get());
  }
  listener.reset();  // a call still waiting then fails, and the child ends
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (tried.add_fd_errno == 0 && (!WIFEXITED(status) || WEXITSTATUS(status) != 0)) {
    tried.add_fd_errno = EBADF;
  }
  return tried;
}

}  // namespace

SeccompFindings check_seccomp(const HostFeatures& features) {
  Tried tried = try_all();
  SeccompFindings findings;
  findings.filter = finding(
      "seccomp filter", true, tried.report.filter_errno, "filters can be installed",
      Health::kMissing, "warren cannot intercept system calls",
      "use a kernel with CONFIG_SECCOMP_FILTER, or a container runtime that allows seccomp(2)");
  findings.notification =
      finding("user notification", true, tried.report.listener_errno, "calls can be handed over",
              Health::kMissing, "warren cannot answer calls for its guests",
              inside_container()
                  ? "you are inside a container of warren's, where 'warren run' needs none of these"
                  : "another listener may own this process already (a container runtime's)");
  findings.add_fd =
      finding("descriptor injection", true, tried.add_fd_errno, "answers can carry descriptors",
              Health::kMissing, "/proc cannot be shown to guests", "use Linux 5.14 or later");
  if (features.is_off(HostFeature::kSyncWakeup)) tried.sync_errno = EOPNOTSUPP;
  findings.sync_wake_up = finding(
      "synchronous wake-up", false, tried.sync_errno, "calls are handed over on one core",
      Health::kLimited, "an answered call takes 7 to 40 us and not 4", "use Linux 6.6 or later");
  if (features.is_off(HostFeature::kSyncWakeup)) {
    findings.sync_wake_up.detail = why_missing(features, HostFeature::kSyncWakeup, 0);
  }
  findings.wait_killable =
      finding("killable waiting", true, tried.report.wait_killable_errno,
              "signals do not restart a call being answered", Health::kMissing,
              "calls of guests could not be answered once each", "use Linux 5.19 or later");
  return findings;
}

}  // namespace warren::cli
