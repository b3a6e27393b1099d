// A signal to oneself with a handler: kill, delivery and sigreturn.
#include <signal.h>
#include <unistd.h>

#include "bench.h"

static volatile sig_atomic_t received;
static pid_t self;

static void handler(int signal) {
  (void)signal;
  received = 1;
}

static void op(void) {
  received = 0;
  bench_require(kill(self, SIGUSR1) == 0, "kill");
  bench_require(received, "the signal did not come");
}

int main(int argc, char** argv) {
  struct sigaction action = {.sa_handler = handler};
  self = getpid();
  bench_require(sigaction(SIGUSR1, &action, NULL) == 0, "sigaction");
  return bench_loop(argc, argv, 50, op);
}
