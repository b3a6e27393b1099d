// sigwaitinfo, sigtimedwait, sigsuspend and sigpending with senders from the namespace.
#include "harness.h"

static void wait_for(std::initializer_list<int> signals) {
  sigset_t set = signal_set(signals);
  siginfo_t info = {};
  int sig = sigwaitinfo(&set, &info);
  if (sig < 0)
    say("%s", errno_name(errno));
  else if (sig == SIGCHLD)
    say("CHLD si_pid %d %s %d", info.si_pid, chld_code(info.si_code), info.si_status);
  else
    say("%s si_pid %d %s", signal_name(sig).c_str(), info.si_pid, si_code_text(info.si_code));
}

int main() {
  block({SIGUSR1, SIGUSR2, SIGCHLD, SIGTERM});
  pid_t me = getpid();
  // Pending before the wait, and sent during it.
  pid_t child = spawn([&] {
    kill(me, SIGUSR1);
    _exit(3);
  });
  wait_for({SIGUSR1});
  wait_for({SIGCHLD});
  say("%s", reap(child).c_str());
  child = spawn([&] {
    until_state(me, "S");
    kill(me, SIGTERM);
  });
  wait_for({SIGTERM});
  wait_for({SIGCHLD});
  say("%s", reap(child).c_str());
  child = spawn([&] { sigqueue(me, SIGUSR2, {.sival_int = 1}); });
  say("%s", reap(child).c_str());
  sigset_t pending;
  sigpending(&pending);
  say("pending USR1 %d USR2 %d CHLD %d", sigismember(&pending, SIGUSR1),
      sigismember(&pending, SIGUSR2), sigismember(&pending, SIGCHLD));
  wait_for({SIGUSR2});
  wait_for({SIGCHLD});
  sigset_t set = signal_set({SIGUSR1});
  siginfo_t info;
  timespec zero = {}, bad = {0, 2000000000};
  SHOW(sigtimedwait(&set, &info, &zero));
  SHOW(sigtimedwait(&set, &info, &bad));
  // Another signal's handler interrupts it.
  on_signal(
      SIGALRM, [](int) {}, SA_RESTART);
  child = spawn([&] {
    until_state(me, "S");
    kill(me, SIGALRM);
  });
  SHOW(sigwaitinfo(&set, &info));
  say("%s", reap(child).c_str());
  // Stopped children tell by sigwaitinfo too.
  wait_for({SIGCHLD});
  child = spawn([] {
    raise(SIGSTOP);
    raise(SIGTERM);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    _exit(1);
  });
  wait_for({SIGCHLD});
  kill(child, SIGCONT);
  say("%s", reap(child).c_str());
  // A group of children that end one by one: si_pid names each.
  siginfo_t drop;
  while (sigtimedwait(&pending, &drop, &zero) > 0) {
  }
  set = signal_set({SIGCHLD});
  while (sigtimedwait(&set, &drop, &zero) > 0) {
  }
  for (int i = 0; i < 3; i++) {
    child = spawn([i] { _exit(40 + i); });
    wait_for({SIGCHLD});
    say("%s", reap(child).c_str());
  }
}
