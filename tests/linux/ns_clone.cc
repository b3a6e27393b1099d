// oracle: privileged
// clone with CLONE_NEWPID: the child is 1, its children count on, each level sees its own numbers.
#include <linux/sched.h>

#include "harness.h"

int main() {
  Gate numbers;
  long child = raw(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
  if (child == 0) {
    SHOW(getpid());
    SHOW(getppid());
    in_child("inner 2", [] {
      SHOW(getpid());
      SHOW(getppid());
    });
    in_child("inner 3", [] { SHOW(getpid()); });
    SHOW(kill(2, 0));
    _exit(6);
  }
  say("%s", reap(static_cast<pid_t>(child)).c_str());
  say("outer number %ld", child);
  in_child("outer goes on", [] {});

  // By clone3, with the numbers that the kernel writes to either side's memory.
  int parent_tid = -1;
  static int child_tid = -1;
  clone_args args = {};
  args.flags = CLONE_NEWPID | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID;
  args.parent_tid = static_cast<uint64_t>(arg(&parent_tid));
  args.child_tid = static_cast<uint64_t>(arg(&child_tid));
  args.exit_signal = SIGCHLD;
  child = raw(SYS_clone3, arg(&args), sizeof args);
  if (child == 0) {
    say("inner: getpid %d child_tid %d", getpid(), child_tid);
    _exit(7);
  }
  say("%s", reap(static_cast<pid_t>(child)).c_str());
  say("outer: %ld parent_tid %d child_tid %d", child, parent_tid, child_tid);

  // Signals across levels: si_pid is 0 for a sender that the receiver cannot see.
  Gate ready;
  child = raw(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
  if (child == 0) {
    block({SIGUSR1});
    ready.open();
    sigset_t set = signal_set({SIGUSR1});
    siginfo_t info = {};
    sigwaitinfo(&set, &info);
    say("inner: USR1 si_pid %d %s", info.si_pid, si_code_text(info.si_code));
    _exit(0);
  }
  ready.pass();
  MUST(kill(static_cast<pid_t>(child), SIGUSR1));
  say("%s", reap(static_cast<pid_t>(child)).c_str());

  // From above, SIGKILL and SIGSTOP work on an inner init; SIGTERM without a handler does not.
  child = raw(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
  if (child == 0) {
    for (;;) pause();
  }
  SHOW(kill(static_cast<pid_t>(child), SIGTERM));
  SHOW(kill(static_cast<pid_t>(child), SIGSTOP));
  say("%s", reap(static_cast<pid_t>(child), WUNTRACED).c_str());
  SHOW(kill(static_cast<pid_t>(child), SIGCONT));
  say("%s", reap(static_cast<pid_t>(child), WCONTINUED).c_str());
  SHOW(kill(static_cast<pid_t>(child), SIGKILL));
  say("%s", reap(static_cast<pid_t>(child)).c_str());

  // kill(-1) from above reaches the levels below.
  Gate told;
  child = raw(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
  if (child == 0) {
    signal(SIGTERM, SIG_DFL);
    pid_t second = spawn([&] {
      ready.open();
      for (;;) pause();
    });
    const std::string end = reap(second);
    // After the caller has told of its own result.
    told.close_writer();
    told.pass();
    say("inner child %d: %s", second, end.c_str());
    _exit(9);
  }
  ready.pass();
  SHOW(kill(-1, SIGTERM));
  told.open();
  say("%s", reap(static_cast<pid_t>(child)).c_str());
}
