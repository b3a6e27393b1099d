// stat of an existing ordinary file.
#include <sys/stat.h>

#include "bench.h"

static void op(void) {
  struct stat st;
  bench_require(stat("/etc/passwd", &st) == 0, "/etc/passwd");
}

int main(int argc, char** argv) { return bench_loop(argc, argv, 100, op); }
