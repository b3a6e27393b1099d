// oracle: privileged
// exec across: an inner init execs, with threads; programs see themselves as 1.
#include <pthread.h>

#include "harness.h"

int main(int argc, char**) {
  if (argc > 1) {
    say("execed: pid %d tid %ld ppid %d", getpid(), raw(SYS_gettid), getppid());
    in_child("child", [] { SHOW(getpid()); });
    return 8;
  }
  long inner = raw(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
  if (inner == 0) {
    execl("/bin/sh", "sh", "-c", "echo $$ $PPID; sh -c 'echo $$ $PPID; exit 3'; echo $?", nullptr);
    _exit(99);
  }
  say("%s", reap(static_cast<pid_t>(inner)).c_str());
  inner = raw(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
  if (inner == 0) {
    pthread_t t;
    pthread_create(
        &t, nullptr,
        [](void*) -> void* {
          say("thread %ld of %d", raw(SYS_gettid), getpid());
          execl("/proc/self/exe", "ns_exec", "x", nullptr);
          // /proc here is the outer namespace's, where self is still this process.
          say("exec: %s", errno_name(errno));
          return nullptr;
        },
        nullptr);
    for (;;) pause();
  }
  say("%s", reap(static_cast<pid_t>(inner)).c_str());
}
