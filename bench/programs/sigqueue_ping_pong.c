// A queued signal to another process and back. Each end takes the number of the other from the
// signal itself, which a PID namespace has to translate.
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

static sigset_t awaited;
static pid_t partner;

// Waits for the partner's signal and answers it, until the partner is gone.
static void answer(pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
  siginfo_t info;
  while (sigwaitinfo(&awaited, &info) == SIGUSR1) {
    if (sigqueue(info.si_pid, SIGUSR1, info.si_value) != 0) _exit(1);
  }
  _exit(1);
}

static void op(void) {
  static int sent;
  union sigval value = {.sival_int = ++sent};
  siginfo_t info;
  bench_require(sigqueue(partner, SIGUSR1, value) == 0, "sigqueue");
  bench_require(sigwaitinfo(&awaited, &info) == SIGUSR1, "the other process ended: sigwaitinfo");
  bench_require(info.si_pid == partner && info.si_value.sival_int == sent,
                "the signal is not the answer");
}

int main(int argc, char** argv) {
  sigemptyset(&awaited);
  sigaddset(&awaited, SIGUSR1);
  sigaddset(&awaited, SIGCHLD);
  bench_require(sigprocmask(SIG_BLOCK, &awaited, NULL) == 0, "sigprocmask");
  pid_t self = getpid();
  partner = fork();
  bench_require(partner >= 0, "fork");
  if (partner == 0) answer(self);
  int result = bench_loop(argc, argv, 50, op);
  kill(partner, SIGKILL);
  waitpid(partner, NULL, 0);
  return result;
}
