// One byte to another process and back, over two pipes: scheduling and ordinary reads and writes.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

static int to_child[2], to_parent[2];

static void op(void) {
  char byte = 'x';
  bench_require(write(to_child[1], &byte, 1) == 1, "write");
  bench_require(read(to_parent[0], &byte, 1) == 1, "read");
}

int main(int argc, char** argv) {
  bench_require(pipe(to_child) == 0 && pipe(to_parent) == 0, "pipe");
  pid_t pid = fork();
  bench_require(pid >= 0, "fork");
  if (pid == 0) {
    close(to_child[1]);
    char byte;
    while (read(to_child[0], &byte, 1) == 1) {
      if (write(to_parent[1], &byte, 1) != 1) break;
    }
    _exit(0);
  }
  int result = bench_loop(argc, argv, 50, op);
  close(to_child[1]);
  waitpid(pid, NULL, 0);
  return result;
}
