// pthread_create + pthread_join of a thread that does nothing.
#include <errno.h>
#include <pthread.h>

#include "bench.h"

static void* body(void* arg) { return arg; }

static void op(void) {
  pthread_t thread;
  bench_require((errno = pthread_create(&thread, NULL, body, NULL)) == 0, "pthread_create");
  pthread_join(thread, NULL);
}

int main(int argc, char** argv) { return bench_loop(argc, argv, 20, op); }
