// A call that takes nothing and answers with a number: those that a PID namespace must answer
// differently, and getuid, which shows what a call costs that has nothing to do with it.
//   number SECONDS getpid|gettid|getppid|getuid
#include <unistd.h>

#include "bench.h"

static void op_getpid(void) { getpid(); }
static void op_gettid(void) { gettid(); }
static void op_getppid(void) { getppid(); }
static void op_getuid(void) { getuid(); }

static const struct bench_mode modes[] = {{"getpid", op_getpid},
                                          {"gettid", op_gettid},
                                          {"getppid", op_getppid},
                                          {"getuid", op_getuid},
                                          {NULL, NULL}};

int main(int argc, char** argv) {
  return bench_loop(argc, argv, 200, bench_choose(argc, argv, modes));
}
