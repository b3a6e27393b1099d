// timer_create with SIGEV_SIGNAL and SIGEV_THREAD_ID, whose target is a thread's number.
#include <pthread.h>
#include <time.h>

#include "harness.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

static volatile long handler_tid;
static volatile int handler_code, handler_value;

static void run(const char* what, int notify, long tid) {
  sigevent event = {};
  event.sigev_notify = notify;
  event.sigev_signo = SIGUSR1;
  event.sigev_value.sival_int = 23;
  event.sigev_notify_thread_id = static_cast<pid_t>(tid);
  timer_t timer;
  if (timer_create(CLOCK_MONOTONIC, &event, &timer) < 0) {
    say("%s: %s", what, errno_name(errno));
    return;
  }
  handler_tid = 0;
  itimerspec once = {{0, 0}, {0, 1000000}};
  MUST(timer_settime(timer, 0, &once, nullptr));
  while (!handler_tid) sched_yield();
  say("%s: handled by %ld %s value %d", what, handler_tid, si_code_text(handler_code),
      handler_value);
  timer_delete(timer);
}

int main() {
  on_signal(SIGUSR1, [](int, siginfo_t* info, void*) {
    handler_code = info->si_code;
    handler_value = info->si_value.sival_int;
    handler_tid = raw(SYS_gettid);
  });
  static Gate ready, go;
  static long tid;
  pthread_t t;
  run("process", SIGEV_SIGNAL, 0);
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
  run("this thread", SIGEV_THREAD_ID, raw(SYS_gettid));
  run("another thread", SIGEV_THREAD_ID, tid);
  run("no such thread", SIGEV_THREAD_ID, 9999);
  run("thread 0", SIGEV_THREAD_ID, 0);
  pid_t child = spawn([] { pause(); });
  run("another process", SIGEV_THREAD_ID, child);
  kill(child, SIGKILL);
  say("%s", reap(child).c_str());
  go.open();
  pthread_join(t, nullptr);

  // libc's own way to run a function: a helper thread that uses SIGEV_THREAD_ID.
  static Gate ran;
  sigevent event = {};
  event.sigev_notify = SIGEV_THREAD;
  event.sigev_notify_function = [](union sigval) { ran.open(); };
  timer_t timer;
  SHOW(timer_create(CLOCK_MONOTONIC, &event, &timer));
  itimerspec once = {{0, 0}, {0, 1000000}};
  MUST(timer_settime(timer, 0, &once, nullptr));
  say("ran %d", ran.pass());
}
