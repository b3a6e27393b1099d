// timed COUNT CMD...: runs CMD so often, one after the other, with its output thrown away, and
// prints how many seconds one took. It runs inside the namespace that is measured, so that starting
// and ending the namespace is not counted.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

int main(int argc, char** argv) {
  int count = argc > 2 ? atoi(argv[1]) : 0;
  if (count < 1) {
    fprintf(stderr, "usage: timed COUNT CMD...\n");
    return 2;
  }
  double begin = bench_now();
  for (int i = 0; i < count; i++) {
    pid_t pid = fork();
    bench_require(pid >= 0, "fork");
    if (pid == 0) {
      int null = open("/dev/null", O_WRONLY);
      bench_require(null >= 0, "/dev/null");
      dup2(null, STDOUT_FILENO);
      execvp(argv[2], argv + 2);
      perror(argv[2]);
      _exit(127);
    }
    int status;
    bench_require(waitpid(pid, &status, 0) == pid, "waitpid");
    if (status != 0) {
      fprintf(stderr, "timed: %s ended with wait status 0x%x\n", argv[2], status);
      return 1;
    }
  }
  printf("%.6f\n", (bench_now() - begin) / count);
  return 0;
}
