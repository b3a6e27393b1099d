// open + close of an existing ordinary file: the price of looking at paths.
#include <fcntl.h>
#include <unistd.h>

#include "bench.h"

static void op(void) {
  int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
  bench_require(fd >= 0, "/etc/passwd");
  close(fd);
}

int main(int argc, char** argv) { return bench_loop(argc, argv, 100, op); }
