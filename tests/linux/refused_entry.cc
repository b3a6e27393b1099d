// oracle: expected
// Ways round the filter: 32-bit entry and x32 numbers are refused without a word about the host,
// and CLONE_UNTRACED has no effect.
#include "harness.h"

#ifndef CLONE_UNTRACED
#define CLONE_UNTRACED 0x00800000
#endif

int main() {
  in_child("int 0x80", [] {
    long result;
    asm volatile("int $0x80"
                 : "=a"(result)
                 : "a"(20L)
                 : "memory", "r8", "r9", "r10", "r11");  // getpid
    say("32-bit getpid: %ld", result);
  });
  in_child("x32", [] { SHOW(raw(0x40000000L | SYS_getpid)); });
  long pid = raw(SYS_clone, CLONE_UNTRACED | SIGCHLD, 0, 0, 0, 0);
  if (pid == 0) {
    say("untraced: pid %d ppid %d", getpid(), getppid());
    _exit(5);
  }
  say("%s", reap(static_cast<pid_t>(pid)).c_str());
}
