// differs: reading a signalfd is not trapped, so SIGCHLD keeps the host's number (docs/compat.md)
// signalfd: ssi_pid of kill, sigqueue, SIGCHLD and tgkill senders.
#include <sys/signalfd.h>

#include "harness.h"

int main() {
  sigset_t set = signal_set({SIGUSR1, SIGUSR2, SIGCHLD});
  MUST(sigprocmask(SIG_BLOCK, &set, nullptr));
  int fd = MUST(signalfd(-1, &set, SFD_CLOEXEC));
  pid_t child = 0;
  // Of SIGCHLD, whether ssi_pid is the child's number.
  auto next = [&](const char* what) {
    signalfd_siginfo info = {};
    MUST(read(fd, &info, sizeof info));
    if (info.ssi_signo == SIGCHLD) info.ssi_pid = static_cast<pid_t>(info.ssi_pid) == child;
    say("%s: %s ssi_pid %u ssi_status %d ssi_int %d", what,
        signal_name(static_cast<int>(info.ssi_signo)).c_str(), info.ssi_pid,
        info.ssi_signo == SIGCHLD ? info.ssi_status : 0,
        info.ssi_signo == SIGCHLD ? 0 : info.ssi_int);
  };
  kill(getpid(), SIGUSR1);
  next("itself");
  Gate go;
  child = spawn([&] {
    kill(1, SIGUSR1);
    sigqueue(1, SIGUSR2, {.sival_int = 17});
    go.close_writer();
    go.pass();
    _exit(5);
  });
  next("child's kill");
  next("child's sigqueue");
  go.open();
  next("child's end");
  say("%s", reap(child).c_str());
  // Several at once in one read.
  child = spawn([] {
    kill(1, SIGUSR1);
    sigqueue(1, SIGUSR2, {.sival_int = 18});
  });
  say("%s", reap(child).c_str());
  signalfd_siginfo many[4] = {};
  ssize_t n = MUST(read(fd, many, sizeof many));
  for (size_t i = 0; i < static_cast<size_t>(n) / sizeof many[0]; i++) {
    if (many[i].ssi_signo == SIGCHLD)
      many[i].ssi_pid = static_cast<pid_t>(many[i].ssi_pid) == child;
    say("%s from %u", signal_name(static_cast<int>(many[i].ssi_signo)).c_str(), many[i].ssi_pid);
  }
}
