// 200 threads at once: each has a number of its own, all of one process.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static pthread_barrier_t barrier;
static long tids[200];

static void* body(void* p) {
  *(long*)p = syscall(SYS_gettid);
  if (getpid() != 1) abort();
  pthread_barrier_wait(&barrier);
  pthread_barrier_wait(&barrier);
  return NULL;
}

int main(void) {
  pthread_t threads[200];
  pthread_barrier_init(&barrier, NULL, 201);
  for (int i = 0; i < 200; i++)
    if (pthread_create(&threads[i], NULL, body, &tids[i]) != 0) return 1;
  pthread_barrier_wait(&barrier);
  int distinct = 0;
  for (int i = 0; i < 200; i++) {
    int seen = tids[i] <= 1;
    for (int j = 0; j < i; j++) seen |= tids[i] == tids[j];
    distinct += !seen;
  }
  fflush(stdout);
  printf("distinct %d\n", distinct);
  fflush(stdout);
  if (system("ls /proc/1/task | wc -l") != 0) return 1;
  pthread_barrier_wait(&barrier);
  for (int i = 0; i < 200; i++) pthread_join(threads[i], NULL);
  return 0;
}
