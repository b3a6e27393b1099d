// forks SECONDS N: N processes fork, exit and wait in a loop, all at once, and the sum of what they
// manage is printed as forks per second: whether busy guests slow one another.
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

// Loops for `seconds` and returns the forks per second.
static double loop(double seconds) {
  long count = 0;
  double begin = bench_now(), end;
  do {
    pid_t pid = fork();
    bench_require(pid >= 0, "fork");
    if (pid == 0) _exit(0);
    bench_require(waitpid(pid, NULL, 0) == pid, "waitpid");
    count++;
    end = bench_now();
  } while (end - begin < seconds);
  return (double)count / (end - begin);
}

int main(int argc, char** argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: forks SECONDS N\n");
    return 2;
  }
  double seconds = atof(argv[1]);
  int count = atoi(argv[2]);
  int start[2], results[2];
  bench_require(pipe(start) == 0 && pipe(results) == 0, "pipe");
  for (int i = 0; i < count; i++) {
    pid_t pid = fork();
    bench_require(pid >= 0, "fork");
    if (pid == 0) {
      close(start[1]);
      char byte;
      bench_require(read(start[0], &byte, 1) == 0, "read");
      double rate = loop(seconds);
      bench_require(write(results[1], &rate, sizeof rate) == sizeof rate, "write");
      _exit(0);
    }
  }
  // The last writer of the pipe is gone: all begin.
  close(start[1]);
  close(results[1]);
  double sum = 0, rate;
  for (int i = 0; i < count; i++) {
    bench_require(read(results[0], &rate, sizeof rate) == sizeof rate, "a forking process failed");
    sum += rate;
  }
  while (wait(NULL) > 0) continue;
  printf("%.6f\n", sum);
  return 0;
}
