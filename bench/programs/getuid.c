// A call that carries neither a pid nor a path: what every other call of a program costs.
#include <sys/syscall.h>
#include <unistd.h>

#include "bench.h"

static void op(void) { syscall(SYS_getuid); }

int main(int argc, char** argv) { return bench_loop(argc, argv, 200, op); }
