// vfork: the child's numbers, the parent held until exec or exit, the result in the parent.
#include "harness.h"

static volatile int seen_pid, seen_ppid;

int main(int argc, char**) {
  if (argc > 1) {
    char c;
    (void)!read(0, &c, 1);
    say("after exec: pid %d ppid %d", getpid(), getppid());
    return 4;
  }
  pid_t pid = vfork();
  if (pid == 0) {
    seen_pid = getpid();
    seen_ppid = getppid();
    _exit(6);
  }
  say("vfork = %d, child saw pid %d ppid %d", pid, seen_pid, seen_ppid);
  say("%s", reap(pid).c_str());

  Gate go;
  pid = vfork();
  if (pid == 0) {
    dup2(go.fds[0], 0);
    execl("/proc/self/exe", "fork_vfork", "x", nullptr);
    _exit(99);
  }
  say("vfork = %d", pid);
  go.open();
  say("%s", reap(pid).c_str());

  // A vfork within a vfork.
  static volatile int inner, inner_seen;
  pid = vfork();
  if (pid == 0) {
    inner = vfork();
    if (inner == 0) {
      inner_seen = getpid();
      _exit(1);
    }
    int status;
    waitpid(inner, &status, 0);
    _exit(2);
  }
  say("outer %d inner %d saw %d", pid, inner, inner_seen);
  say("%s", reap(pid).c_str());

  // posix_spawn and system use CLONE_VM|CLONE_VFORK.
  int status = system("exit 9");
  say("system: %s", status_text(status).c_str());
  in_child("next", [] {});
}
