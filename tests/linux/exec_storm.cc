// timeout: 60
// Threads that exec at the same time: one wins, the process keeps its number, the parent gets one
// end.
#include <pthread.h>

#include "harness.h"

int main() {
  int right = 0;
  for (int round = 0; round < 20; round++) {
    pid_t pid = spawn([] {
      static pthread_barrier_t barrier;
      pthread_barrier_init(&barrier, nullptr, 5);
      pthread_t t;
      for (int i = 0; i < 4; i++)
        pthread_create(
            &t, nullptr,
            [](void*) -> void* {
              pthread_barrier_wait(&barrier);
              execl("/bin/sh", "sh", "-c", "exit 42", nullptr);
              return nullptr;
            },
            nullptr);
      pthread_barrier_wait(&barrier);
      execl("/bin/sh", "sh", "-c", "exit 42", nullptr);
    });
    int status;
    right += waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 42;
  }
  say("right %d, none left %s", right, reap(-1).c_str());
}
