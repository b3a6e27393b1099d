// timeout: 60
// Two hundred threads at once, each with a number of its own.
#include <pthread.h>

#include <set>
#include <vector>

#include "harness.h"

int main() {
  static pthread_barrier_t barrier;
  static long tids[200];
  pthread_barrier_init(&barrier, nullptr, 201);
  for (int round = 0; round < 2; round++) {
    std::vector<pthread_t> threads(200);
    for (int i = 0; i < 200; i++)
      pthread_create(
          &threads[static_cast<size_t>(i)], nullptr,
          [](void* p) -> void* {
            *static_cast<long*>(p) = raw(SYS_gettid);
            pthread_barrier_wait(&barrier);
            pthread_barrier_wait(&barrier);
            return nullptr;
          },
          &tids[i]);
    pthread_barrier_wait(&barrier);
    std::set<long> distinct(tids, tids + 200);
    long low = *distinct.begin(), high = *distinct.rbegin();
    say("distinct %zu from %ld to %ld, Threads %s", distinct.size(), low, high,
        status_field("/proc/self/status", "Threads").c_str());
    int alive = 0;
    for (long tid : distinct) alive += raw(SYS_tgkill, 1, tid, 0) == 0;
    say("alive %d", alive);
    pthread_barrier_wait(&barrier);
    for (pthread_t t : threads) pthread_join(t, nullptr);
  }
  in_child("after them", [] {});
}
