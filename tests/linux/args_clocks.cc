// Clocks that name a task: clock_getcpuclockid, pthread_getcpuclockid, timers on them.
#include <pthread.h>
#include <time.h>

#include "harness.h"

int main() {
  static Gate go;
  pthread_t t;
  pthread_create(
      &t, nullptr,
      [](void*) -> void* {
        go.pass();
        return nullptr;
      },
      nullptr);
  clockid_t clock;
  timespec time;
  say("pthread_getcpuclockid %d", pthread_getcpuclockid(t, &clock));
  SHOW(clock_gettime(clock, &time));
  SHOW(clock_getres(clock, &time));
  say("clock_getcpuclockid %d", clock_getcpuclockid(getpid(), &clock));
  SHOW(clock_gettime(clock, &time));
  timer_t timer;
  SHOW(timer_create(clock, nullptr, &timer));
  say("of nobody %d", clock_getcpuclockid(9999, &clock) != 0);
  go.open();
  pthread_join(t, nullptr);
  // The user's processes are those of the namespace.
  SHOW(setpriority(PRIO_USER, 0, 3));
  SHOW(getpriority(PRIO_USER, 0));
  SHOW(getpriority(PRIO_PROCESS, 0));
  SHOW(setpriority(PRIO_USER, 4242, 3));
}
