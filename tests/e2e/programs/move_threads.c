// A process with threads that is moved to another pid namespace: reads a line, is moved before the
// next, and tells what its libc thinks of its numbers then. Output: one line for each question.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { kThreads = 4 };

static pthread_barrier_t ready, moved, checked;
static pthread_mutex_t held[kThreads];  // robust, held while the process moves
static pthread_mutex_t left_behind;     // robust, its owner ends without unlocking it
static pthread_key_t key;
static volatile sig_atomic_t signals;
static int wrong;
static pid_t old_tid[kThreads];

static void count(int signal) { (void)signal, ++signals; }

static void expect(int ok, const char* what) {
  if (ok) return;
  printf("wrong: %s (errno %d)\n", what, errno);
  __atomic_fetch_add(&wrong, 1, __ATOMIC_SEQ_CST);
}

// The number that the libc keeps, as its mutexes and raise(3) use it.
static void check_numbers(void) {
  pthread_mutexattr_t attributes;
  pthread_mutex_t mutex;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
  pthread_mutex_init(&mutex, &attributes);
  expect(pthread_mutex_lock(&mutex) == 0, "lock");
  expect(pthread_mutex_lock(&mutex) == EDEADLK, "relock");
#ifdef __GLIBC__
  expect(mutex.__data.__owner == syscall(SYS_gettid), "the owner of a mutex");
#endif
  expect(pthread_mutex_unlock(&mutex) == 0, "unlock");
  expect(gettid() == syscall(SYS_gettid), "gettid");
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  pthread_sigmask(SIG_UNBLOCK, &set, NULL);
  const int before = signals;
  expect(raise(SIGUSR1) == 0, "raise");
  expect(signals > before, "the signal that it raised");
  expect(pthread_kill(pthread_self(), SIGUSR1) == 0, "pthread_kill");
  char path[64];
  snprintf(path, sizeof path, "/proc/self/task/%d", gettid());
  expect(access(path, F_OK) == 0, path);
  snprintf(path, sizeof path, "/proc/%d", getpid());
  expect(access(path, F_OK) == 0, path);
}

static void* thread(void* argument) {
  const long i = (long)argument;
  old_tid[i] = gettid();
  expect(pthread_mutex_lock(&held[i]) == 0, "hold");
  if (i == 0) expect(pthread_mutex_lock(&left_behind) == 0, "hold two");
  pthread_barrier_wait(&ready);
  // One computes, one makes calls, others wait.
  if (i == 1)
    while (__atomic_load_n((int*)&signals, __ATOMIC_SEQ_CST) == 0) continue;
  if (i == 2)
    while (__atomic_load_n((int*)&signals, __ATOMIC_SEQ_CST) == 0) getppid();
  pthread_barrier_wait(&moved);
  check_numbers();
  expect(pthread_mutex_trylock(&held[(i + 1) % kThreads]) == EBUSY, "the mutex of another");
  pthread_barrier_wait(&checked);
  expect(pthread_mutex_unlock(&held[i]) == 0, "give back");
  return NULL;
}

int main(void) {
  char line[16];
  setvbuf(stdout, NULL, _IOLBF, 0);
  signal(SIGUSR1, count);
  pthread_key_create(&key, NULL);
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  for (int i = 0; i < kThreads; ++i) pthread_mutex_init(&held[i], &attributes);
  pthread_mutex_init(&left_behind, &attributes);
  pthread_barrier_init(&ready, NULL, kThreads + 1);
  pthread_barrier_init(&moved, NULL, kThreads + 1);
  pthread_barrier_init(&checked, NULL, kThreads + 1);
  pthread_t threads[kThreads];
  for (long i = 0; i < kThreads; ++i) pthread_create(&threads[i], NULL, thread, (void*)i);
  pthread_barrier_wait(&ready);
  getpid(), getppid();
  printf("ready %d\n", getpid());
  if (!fgets(line, sizeof line, stdin)) return 2;
  printf("moved %d parent %d\n", getpid(), getppid());
  signals = 1;
  pthread_barrier_wait(&moved);
  check_numbers();
  pthread_barrier_wait(&checked);
  for (int i = 0; i < kThreads; ++i) pthread_join(threads[i], NULL);
  expect(pthread_mutex_lock(&left_behind) == EOWNERDEAD, "a mutex whose owner died");
  pid_t child = fork();
  if (child == 0) {
    check_numbers();
    _exit(getppid() == 1 || wrong);
  }
  int status = -1;
  expect(waitpid(child, &status, 0) == child && status == 0, "a child");
  pthread_t late;
  pthread_barrier_init(&ready, NULL, 1);
  pthread_barrier_init(&moved, NULL, 1);
  pthread_barrier_init(&checked, NULL, 1);
  pthread_mutex_init(&left_behind, &attributes);
  for (int i = 0; i < kThreads; ++i) pthread_mutex_init(&held[i], &attributes);
  pthread_mutex_lock(&held[0]);
  pthread_create(&late, NULL, thread, (void*)3L);
  pthread_join(late, NULL);
  printf("wrong %d\n", wrong);
  return wrong != 0;
}
