// clone with PARENT_SETTID, CHILD_SETTID, CHILD_CLEARTID: what lands in memory, and where.
#include <linux/futex.h>

#include "harness.h"

static long clone_raw(unsigned long flags, int* parent_tid, int* child_tid, long tls = 0) {
  return raw(SYS_clone, static_cast<long>(flags), 0, arg(parent_tid), arg(child_tid), tls);
}

int main() {
  int parent_tid = -7, child_tid = -7;
  long pid = clone_raw(CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD, &parent_tid, &child_tid);
  if (pid == 0) {
    say("child: getpid %ld parent_tid %d child_tid %d", raw(SYS_getpid), parent_tid, child_tid);
    _exit(0);
  }
  say("%s", reap(static_cast<pid_t>(pid)).c_str());
  say("parent: pid %ld parent_tid %d child_tid %d", pid, parent_tid, child_tid);

  // Without the flags nothing is written.
  parent_tid = child_tid = -8;
  pid = clone_raw(SIGCHLD, &parent_tid, &child_tid);
  if (pid == 0) {
    say("child: parent_tid %d child_tid %d", parent_tid, child_tid);
    _exit(0);
  }
  say("%s", reap(static_cast<pid_t>(pid)).c_str());
  say("parent: parent_tid %d child_tid %d", parent_tid, child_tid);

  // Both in memory that parent and child share; cleared and woken at the end.
  int* shared = static_cast<int*>(
      mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  shared[0] = shared[1] = -9;
  pid = clone_raw(CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD,
                  &shared[0], &shared[1]);
  if (pid == 0) {
    say("child: %d %d", shared[0], shared[1]);
    _exit(0);
  }
  say("%s", reap(static_cast<pid_t>(pid)).c_str());
  // The kernel clears the word only where others share the memory map (CLONE_VM).
  say("parent: %ld %d %d", pid, shared[0], shared[1]);

  pid = clone_raw(CLONE_VM | CLONE_VFORK | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID |
                      CLONE_PARENT_SETTID | SIGCHLD,
                  &shared[0], &shared[1]);
  if (pid == 0) {
    shared[2] = shared[0];
    shared[3] = shared[1];
    raw(SYS_exit, 0);
  }
  say("%s", reap(static_cast<pid_t>(pid)).c_str());
  say("vm: pid %ld parent_tid %d child_tid %d then %d", pid, shared[2], shared[3], shared[1]);

  // An address that cannot be written: the child's word is skipped, the clone succeeds.
  pid = clone_raw(CLONE_CHILD_SETTID | SIGCHLD, nullptr, reinterpret_cast<int*>(16));
  if (pid == 0) _exit(11);
  say("bad child_tid: %s", reap(static_cast<pid_t>(pid)).c_str());
  pid = clone_raw(CLONE_PARENT_SETTID | SIGCHLD, reinterpret_cast<int*>(16), nullptr);
  if (pid == 0) _exit(12);
  say("bad parent_tid: %s", reap(static_cast<pid_t>(pid)).c_str());

  // set_tid_address answers the caller's tid.
  int word;
  SHOW(raw(SYS_set_tid_address, arg(&word)));
  in_child("set_tid_address", [&] { SHOW(raw(SYS_set_tid_address, arg(&word))); });
}
