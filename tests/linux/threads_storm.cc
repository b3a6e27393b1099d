// timeout: 60
// Threads made, joined and detached by several threads at once, with forks between.
#include <pthread.h>

#include "harness.h"

int main() {
  static int wrong;
  pthread_t makers[4];
  for (pthread_t& maker : makers)
    pthread_create(
        &maker, nullptr,
        [](void*) -> void* {
          for (int i = 0; i < 50; i++) {
            pthread_t t;
            long tid = 0;
            if (pthread_create(
                    &t, nullptr,
                    [](void* p) -> void* {
                      *static_cast<long*>(p) = raw(SYS_gettid);
                      if (getpid() != 1) __atomic_add_fetch(&wrong, 1, __ATOMIC_SEQ_CST);
                      return nullptr;
                    },
                    &tid) != 0)
              __atomic_add_fetch(&wrong, 1, __ATOMIC_SEQ_CST);
            if (i % 10 == 0) {
              pid_t pid = spawn([] { _exit(3); });
              int status;
              if (waitpid(pid, &status, 0) != pid || WEXITSTATUS(status) != 3)
                __atomic_add_fetch(&wrong, 1, __ATOMIC_SEQ_CST);
            }
            pthread_join(t, nullptr);
            if (tid <= 1 || tid == raw(SYS_gettid)) __atomic_add_fetch(&wrong, 1, __ATOMIC_SEQ_CST);
          }
          return nullptr;
        },
        nullptr);
  for (pthread_t maker : makers) pthread_join(maker, nullptr);
  say("wrong %d", wrong);
  // 4 makers, 200 threads, 20 processes: the next number is known although their order is not.
  in_child("next", [] {});
}
