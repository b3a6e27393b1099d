// What every small workload shares: the clock, and a loop that repeats an operation for a given
// time, so that the same program gives a steady figure at 0.1 us and at 500 us per operation.
#ifndef WARREN_BENCH_PROGRAMS_BENCH_H_
#define WARREN_BENCH_PROGRAMS_BENCH_H_

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// One of the operations that a program can repeat, by its name on the command line.
struct bench_mode {
  const char* name;
  void (*op)(void);
};

// Seconds of CLOCK_MONOTONIC.
static inline double bench_now(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

// Ends the program with one line on stderr when a call of the workload failed.
static inline void bench_require(int ok, const char* what) {
  if (ok) return;
  perror(what);
  exit(1);
}

// The operation of `modes`, which a NULL name ends, that argv[2] names; ends the program with
// status 2 when it names none.
static inline void (*bench_choose(int argc, char** argv, const struct bench_mode* modes))(void) {
  for (; argc > 2 && modes->name != NULL; modes++) {
    if (strcmp(argv[2], modes->name) == 0) return modes->op;
  }
  fprintf(stderr, "%s: no such operation\n", argv[0]);
  exit(2);
}

// Runs `op` in batches of `batch` until argv[1] seconds (0.3 when it is not given) are over, after
// one batch that is not counted, and prints the mean in microseconds per operation.
static inline int bench_loop(int argc, char** argv, long batch, void (*op)(void)) {
  double seconds = argc > 1 ? atof(argv[1]) : 0.3;
  for (long i = 0; i < batch; i++) op();
  long count = 0;
  double begin = bench_now(), end;
  do {
    for (long i = 0; i < batch; i++) op();
    count += batch;
    end = bench_now();
  } while (end - begin < seconds);
  printf("%.6f\n", (end - begin) * 1e6 / (double)count);
  return 0;
}

#endif  // WARREN_BENCH_PROGRAMS_BENCH_H_
