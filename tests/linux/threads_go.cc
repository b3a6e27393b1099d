// Threads with just the flags that Go's runtime passes, and signals aimed at each (tgkill).
#include "harness.h"

static volatile int ran[4];
static volatile long tids[4], handled_by;
static int done;

static int body(void* p) {
  int i = *static_cast<int*>(p);
  tids[i] = raw(SYS_gettid);
  ran[i] = 1;
  while (!__atomic_load_n(&done, __ATOMIC_ACQUIRE)) raw(SYS_sched_yield);
  raw(SYS_exit, 0);
  return 0;
}

int main() {
  on_signal(
      SIGURG, [](int) { handled_by = raw(SYS_gettid); }, SA_RESTART);
  int index[4] = {0, 1, 2, 3}, returned[4];
  for (int i = 0; i < 4; i++) {
    char* stack = static_cast<char*>(
        mmap(nullptr, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    returned[i] =
        clone(body, stack + 65536,
              CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_SYSVSEM | CLONE_THREAD,
              &index[i]);
    while (!ran[i]) sched_yield();
    say("clone %d gettid %ld", returned[i], tids[i]);
  }
  for (int i = 0; i < 4; i++) {
    handled_by = 0;
    SHOW(raw(SYS_tgkill, getpid(), returned[i], SIGURG));
    while (!handled_by) sched_yield();
    say("handled by %ld", handled_by);
  }
  __atomic_store_n(&done, 1, __ATOMIC_RELEASE);
  _exit(0);
}
