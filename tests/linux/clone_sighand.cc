// CLONE_CLEAR_SIGHAND resets handlers but keeps what is ignored; a plain clone keeps all.
#include <linux/sched.h>

#include "harness.h"

static const char* disposition(int sig) {
  struct sigaction action;
  sigaction(sig, nullptr, &action);
  if (action.sa_handler == SIG_DFL) return "default";
  if (action.sa_handler == SIG_IGN) return "ignored";
  return "handler";
}

int main() {
  on_signal(SIGUSR1, [](int) {});
  signal(SIGUSR2, SIG_IGN);
  for (uint64_t flags : {uint64_t{0}, uint64_t{CLONE_CLEAR_SIGHAND}}) {
    clone_args args = {};
    args.flags = flags;
    args.exit_signal = SIGCHLD;
    long pid = raw(SYS_clone3, arg(&args), sizeof args);
    if (pid == 0) {
      say("USR1 %s USR2 %s", disposition(SIGUSR1), disposition(SIGUSR2));
      _exit(0);
    }
    say("%s", reap(static_cast<pid_t>(pid)).c_str());
  }
}
