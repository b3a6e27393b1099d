// Combinations of clone flags that the kernel refuses, and that a refusal takes no number.
#include <linux/sched.h>

#include "harness.h"

static void try_clone(const char* what, unsigned long flags) {
  long pid = raw(SYS_clone, static_cast<long>(flags), 0, 0, 0, 0);
  if (pid == 0) _exit(0);
  if (pid < 0)
    say("%s: %s", what, errno_name(errno));
  else
    say("%s: %ld %s", what, pid, reap(static_cast<pid_t>(pid), __WALL).c_str());
}

static void try_clone3(const char* what, clone_args args, size_t size = sizeof(clone_args)) {
  long pid = raw(SYS_clone3, arg(&args), static_cast<long>(size));
  if (pid == 0) _exit(0);
  if (pid < 0)
    say("%s: %s", what, errno_name(errno));
  else
    say("%s: %ld %s", what, pid, reap(static_cast<pid_t>(pid), __WALL).c_str());
}

int main() {
  try_clone("plain", SIGCHLD);
  try_clone("thread without sighand", CLONE_THREAD);
  try_clone("sighand without vm", CLONE_SIGHAND | SIGCHLD);
  try_clone("thread without vm", CLONE_THREAD | CLONE_SIGHAND);
  try_clone("newns with fs", CLONE_NEWNS | CLONE_FS | SIGCHLD);
  try_clone("newpid with parent", CLONE_NEWPID | CLONE_PARENT | SIGCHLD);
  try_clone("newpid with thread", CLONE_NEWPID | CLONE_THREAD | CLONE_SIGHAND | CLONE_VM);
  // An init has no siblings.
  try_clone("parent by init", CLONE_PARENT | SIGCHLD);
  try_clone("pidfd with parent_settid", CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD);
  try_clone("pidfd with detached", CLONE_PIDFD | CLONE_DETACHED | SIGCHLD);

  clone_args args = {};
  args.exit_signal = SIGCHLD;
  try_clone3("clone3 plain", args);
  try_clone3("clone3 size 0", args, 0);
  try_clone3("clone3 size 63", args, 63);
  try_clone3("clone3 size 64", args, 64);
  try_clone3("clone3 size 80", args, 80);
  try_clone3("clone3 size 5000", args, 5000);
  SHOW(raw(SYS_clone3, 0, sizeof args));
  clone_args bad = args;
  bad.exit_signal = 65;
  try_clone3("clone3 exit_signal 65", bad);
  bad = args;
  bad.exit_signal = 0x100 | SIGCHLD;
  try_clone3("clone3 exit_signal 0x111", bad);
  bad = args;
  bad.flags = SIGCHLD;
  try_clone3("clone3 exit signal in the flags", bad);
  bad = args;
  bad.flags = CLONE_DETACHED;
  try_clone3("clone3 detached", bad);
  bad = args;
  bad.flags = CLONE_THREAD | CLONE_SIGHAND | CLONE_VM;
  try_clone3("clone3 thread with exit_signal", bad);
  bad = args;
  bad.flags = CLONE_SIGHAND | CLONE_VM | CLONE_CLEAR_SIGHAND;
  try_clone3("clone3 sighand with clear_sighand", bad);
  bad = args;
  bad.flags = 1ULL << 40;
  try_clone3("clone3 unknown flag", bad);
  bad = args;
  bad.stack = 4096;
  try_clone3("clone3 stack without size", bad);
  bad = args;
  bad.stack_size = 4096;
  try_clone3("clone3 size without stack", bad);
  bad = args;
  bad.flags = CLONE_PARENT;
  try_clone3("clone3 parent with exit_signal", bad);
  // A longer structure is fine while the kernel does not know its tail and it is zero.
  struct {
    clone_args args;
    uint64_t tail[2];
  } longer = {args, {0, 0}};
  long pid = raw(SYS_clone3, arg(&longer), sizeof longer);
  if (pid == 0) _exit(0);
  say("clone3 longer, zero tail: %s", reap(static_cast<pid_t>(pid)).c_str());
  longer.tail[1] = 1;
  pid = raw(SYS_clone3, arg(&longer), sizeof longer);
  if (pid == 0) _exit(0);
  say("clone3 longer, other tail: %ld %s", pid, pid < 0 ? errno_name(errno) : "");
  in_child("next", [] {});
}
