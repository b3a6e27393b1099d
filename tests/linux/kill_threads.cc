// tkill and tgkill: each error, the receiving thread, and their siginfo.
#include <pthread.h>

#include "harness.h"

static volatile long handler_tid;
static volatile int handler_pid, handler_code;

int main() {
  SHOW(raw(SYS_tkill, 0, 0));
  SHOW(raw(SYS_tkill, -1, 0));
  SHOW(raw(SYS_tkill, 9999, 0));
  SHOW(raw(SYS_tkill, 1, 65));
  SHOW(raw(SYS_tkill, 1, 0));
  SHOW(raw(SYS_tgkill, 0, 1, 0));
  SHOW(raw(SYS_tgkill, 1, 0, 0));
  SHOW(raw(SYS_tgkill, -1, 1, 0));
  SHOW(raw(SYS_tgkill, 1, -1, 0));
  SHOW(raw(SYS_tgkill, 1, 9999, 0));
  SHOW(raw(SYS_tgkill, 9999, 1, 0));
  SHOW(raw(SYS_tgkill, 1, 1, 65));
  SHOW(raw(SYS_tgkill, 1, 1, 0));

  on_signal(SIGUSR1, [](int, siginfo_t* info, void*) {
    handler_pid = info->si_pid;
    handler_code = info->si_code;
    handler_tid = raw(SYS_gettid);
  });
  static Gate ready, go;
  pthread_t t;
  static long tid;
  pthread_create(
      &t, nullptr,
      [](void*) -> void* {
        tid = raw(SYS_gettid);
        ready.open();
        go.pass();
        return nullptr;
      },
      nullptr);
  ready.pass();
  say("thread %ld", tid);
  handler_tid = 0;
  SHOW(raw(SYS_tgkill, 1, tid, SIGUSR1));
  while (!handler_tid) sched_yield();
  say("handled by %ld si_pid %d %s", handler_tid, handler_pid, si_code_text(handler_code));
  handler_tid = 0;
  SHOW(raw(SYS_tkill, 1, SIGUSR1));
  while (!handler_tid) sched_yield();
  say("handled by %ld si_pid %d %s", handler_tid, handler_pid, si_code_text(handler_code));
  handler_tid = 0;
  in_child("from a child", [&] {
    SHOW(raw(SYS_tgkill, 1, tid, SIGUSR1));
    SHOW(raw(SYS_tgkill, getpid(), tid, SIGUSR1));
  });
  while (!handler_tid) sched_yield();
  say("handled by %ld si_pid %d %s", handler_tid, handler_pid, si_code_text(handler_code));
  handler_tid = 0;
  say("pthread_kill %d", pthread_kill(t, SIGUSR1));
  while (!handler_tid) sched_yield();
  say("handled by %ld si_pid %d %s", handler_tid, handler_pid, si_code_text(handler_code));
  go.open();
  pthread_join(t, nullptr);
  // A join may return a moment before the number is free.
  while (raw(SYS_tgkill, 1, tid, 0) == 0) sched_yield();
  SHOW(raw(SYS_tgkill, 1, tid, 0));
  SHOW(raw(SYS_tkill, tid, 0));
}
