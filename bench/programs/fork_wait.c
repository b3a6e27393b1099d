// fork + exit + wait: the life of a process and nothing else.
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

static void op(void) {
  pid_t pid = fork();
  bench_require(pid >= 0, "fork");
  if (pid == 0) _exit(0);
  bench_require(waitpid(pid, NULL, 0) == pid, "waitpid");
}

int main(int argc, char** argv) { return bench_loop(argc, argv, 10, op); }
