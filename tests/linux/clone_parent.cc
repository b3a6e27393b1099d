// CLONE_PARENT: the child is the caller's sibling.
#include <linux/sched.h>

#include "harness.h"

int main() {
  Gate numbers;
  pid_t caller = spawn([&] {
    int parent_tid = -1;
    long sibling =
        raw(SYS_clone, CLONE_PARENT | CLONE_PARENT_SETTID | SIGCHLD, 0, arg(&parent_tid), 0, 0);
    if (sibling == 0) {
      send_int(numbers.fds[1], getpid());
      send_int(numbers.fds[1], getppid());
      _exit(21);
    }
    say("sibling %ld parent_tid %d", sibling, parent_tid);
    say("caller waits: %s", reap(-1).c_str());
  });
  say("%s", reap(caller).c_str());
  int pid = receive_int(numbers.fds[0]), ppid = receive_int(numbers.fds[0]);
  say("sibling's pid %d ppid %d", pid, ppid);
  say("%s", reap(-1).c_str());

  // Its exit signal is the caller's own, whatever the low byte says.
  block({SIGUSR1, SIGCHLD});
  clone_args args = {};
  args.exit_signal = SIGUSR1;
  long other = raw(SYS_clone3, arg(&args), sizeof args);
  if (other == 0) {
    long sibling = raw(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
    if (sibling == 0) _exit(1);
    _exit(2);
  }
  say("%s", reap(static_cast<pid_t>(other), __WALL).c_str());
  say("%s", reap(-1, __WALL).c_str());
  sigset_t pending;
  sigpending(&pending);
  say("USR1 pending %d CHLD pending %d", sigismember(&pending, SIGUSR1),
      sigismember(&pending, SIGCHLD));

  // One level further down, the sibling's parent is the caller's parent and not init.
  Gate answer;
  pid_t outer = spawn([&] {
    pid_t inner = spawn([&] {
      long sibling = raw(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
      if (sibling == 0) {
        send_int(answer.fds[1], getppid());
        _exit(0);
      }
    });
    say("inner %s", reap(inner).c_str());
    say("sibling %s", reap(-1).c_str());
    say("none left: %s", reap(-1).c_str());
  });
  say("%s", reap(outer).c_str());
  say("ppid %d", receive_int(answer.fds[0]));
}
