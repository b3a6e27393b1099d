// crowd N CMD...: runs CMD beside N sleeping processes, which all live before CMD starts and all
// are gone when crowd ends. Its exit status is CMD's.
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

int main(int argc, char** argv) {
  if (argc < 3) {
    fprintf(stderr, "usage: crowd N CMD...\n");
    return 2;
  }
  long count = atol(argv[1]);
  pid_t* sleepers = calloc((size_t)count + 1, sizeof *sleepers);
  bench_require(sleepers != NULL, "calloc");
  int alive[2];
  bench_require(pipe(alive) == 0, "pipe");
  pid_t self = getpid();
  for (long i = 0; i < count; i++) {
    sleepers[i] = fork();
    bench_require(sleepers[i] >= 0, "fork");
    if (sleepers[i] == 0) {
      // A crowd that is killed leaves no sleepers behind.
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (getppid() != self) _exit(1);
      bench_require(write(alive[1], "x", 1) == 1, "write");
      close(alive[0]);
      close(alive[1]);
      for (;;) pause();
    }
  }
  char byte;
  for (long i = 0; i < count; i++) bench_require(read(alive[0], &byte, 1) == 1, "read");
  close(alive[0]);
  close(alive[1]);
  pid_t pid = fork();
  bench_require(pid >= 0, "fork");
  if (pid == 0) {
    execvp(argv[2], argv + 2);
    perror(argv[2]);
    _exit(127);
  }
  int status;
  bench_require(waitpid(pid, &status, 0) == pid, "waitpid");
  for (long i = 0; i < count; i++) kill(sleepers[i], SIGKILL);
  for (long i = 0; i < count; i++) waitpid(sleepers[i], NULL, 0);
  free(sleepers);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
