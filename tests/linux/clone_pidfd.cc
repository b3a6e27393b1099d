// CLONE_PIDFD by clone and clone3: a descriptor of the child, close-on-exec, made before it runs.
#include <linux/sched.h>

#include "harness.h"

int main() {
  int fd = -1;
  long pid = raw(SYS_clone, CLONE_PIDFD | SIGCHLD, 0, arg(&fd), 0, 0);
  if (pid == 0) _exit(13);
  say("clone: pid %ld, fd is set %d, cloexec %d", pid, fd >= 0, fcntl(fd, F_GETFD));
  siginfo_t info = {};
  SHOW(waitid(P_PIDFD, static_cast<id_t>(fd), &info, WEXITED));
  say("si_pid %d si_status %d %s", info.si_pid, info.si_status, chld_code(info.si_code));
  close(fd);

  fd = -1;
  int parent_tid = -1, child_tid = -1;
  clone_args args = {};
  args.flags = CLONE_PIDFD | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID;
  args.pidfd = static_cast<uint64_t>(arg(&fd));
  args.parent_tid = static_cast<uint64_t>(arg(&parent_tid));
  args.child_tid = static_cast<uint64_t>(arg(&child_tid));
  args.exit_signal = SIGCHLD;
  Gate go;
  pid = raw(SYS_clone3, arg(&args), sizeof args);
  if (pid == 0) {
    go.close_writer();
    go.pass();
    // The parent's descriptor is not in the child's table, its word is not in the child's memory.
    say("child: fd %d parent_tid %d child_tid %d", fd, parent_tid, child_tid);
    _exit(14);
  }
  say("clone3: pid %ld parent_tid %d child_tid %d fd is set %d", pid, parent_tid, child_tid,
      fd >= 0);
  pollfd p = {fd, POLLIN, 0};
  SHOW(poll(&p, 1, 0));
  SHOW(raw(SYS_pidfd_send_signal, fd, 0, 0, 0));
  go.open();
  p.revents = 0;
  SHOW(poll(&p, 1, -1));
  say("revents %d", p.revents & POLLIN);
  say("%s", reap(static_cast<pid_t>(pid)).c_str());
  SHOW(raw(SYS_pidfd_send_signal, fd, 0, 0, 0));
  SHOW(waitid(P_PIDFD, static_cast<id_t>(fd), &info, WEXITED));
}
