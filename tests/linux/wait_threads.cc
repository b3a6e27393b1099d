// Any thread may wait for the process's children; __WNOTHREAD limits it to its own.
#include <pthread.h>

#include "harness.h"

int main() {
  static pid_t child;
  child = spawn([] { _exit(5); });
  pthread_t t;
  pthread_create(
      &t, nullptr,
      [](void*) -> void* {
        siginfo_t info;
        MUST(waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT));
        say("__WNOTHREAD in another thread: %s", reap(child, __WNOTHREAD).c_str());
        say("any thread: %s", reap(child).c_str());
        return nullptr;
      },
      nullptr);
  pthread_join(t, nullptr);

  // Forked by a thread, reaped by the leader while the thread lives on.
  static Gate forked, leave;
  pthread_create(
      &t, nullptr,
      [](void*) -> void* {
        child = spawn([] { _exit(6); });
        forked.open();
        leave.pass();
        say("own child in the thread: %s", reap(-1, __WNOTHREAD).c_str());
        return nullptr;
      },
      nullptr);
  forked.pass();
  siginfo_t info;
  MUST(waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT));
  say("__WNOTHREAD in the leader: %s", reap(-1, __WNOTHREAD).c_str());
  leave.open();
  pthread_join(t, nullptr);
  say("none left: %s", reap(-1).c_str());

  // Forked by a thread that ended: the process keeps the child.
  pthread_create(
      &t, nullptr,
      [](void*) -> void* {
        child = spawn([] { _exit(8); });
        return nullptr;
      },
      nullptr);
  pthread_join(t, nullptr);
  say("%s", reap(-1, __WNOTHREAD).c_str());

  // Many threads wait at once for one child each.
  static int failures;
  pthread_t waiters[8];
  for (pthread_t& waiter : waiters)
    pthread_create(
        &waiter, nullptr,
        [](void*) -> void* {
          pid_t mine = spawn([] { _exit(getpid() & 0x7f); });
          int status;
          pid_t got = waitpid(mine, &status, 0);
          if (got != mine || WEXITSTATUS(status) != (mine & 0x7f))
            __atomic_add_fetch(&failures, 1, __ATOMIC_SEQ_CST);
          return nullptr;
        },
        nullptr);
  for (pthread_t waiter : waiters) pthread_join(waiter, nullptr);
  say("failures %d", failures);
}
