// Stopped and continued children by wait4 and waitid, with WNOWAIT, and what SIGCHLD says of them.
#include "harness.h"

static void next_chld(const char* what) {
  sigset_t set = signal_set({SIGCHLD});
  siginfo_t info = {};
  MUST(sigwaitinfo(&set, &info));
  say("%s: SIGCHLD si_pid %d %s si_status %s", what, info.si_pid, chld_code(info.si_code),
      info.si_code == CLD_EXITED ? std::to_string(info.si_status).c_str()
                                 : signal_name(info.si_status).c_str());
}

static void show(const char* what, int options) {
  siginfo_t info = {};
  if (waitid(P_ALL, 0, &info, options) < 0)
    say("%s: %s", what, errno_name(errno));
  else
    say("%s: si_pid %d %s %d", what, info.si_pid, info.si_pid ? chld_code(info.si_code) : "",
        info.si_status);
}

int main() {
  block({SIGCHLD});
  pid_t pid = spawn([] {
    for (;;) pause();
  });
  for (int sig : {SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU}) {
    // Only SIGSTOP stops a process whose group is orphaned; the others need a parent in its
    // session.
    MUST(kill(pid, sig));
    if (sig != SIGSTOP) {
      until_state(pid, "S");
      show("orphaned group", WSTOPPED | WNOHANG);
      continue;
    }
    next_chld("stop");
    show("exited only", WEXITED | WNOHANG);
    say("without WUNTRACED: %s", reap(pid, WNOHANG).c_str());
    show("nowait", WSTOPPED | WNOWAIT);
    say("WUNTRACED: %s", reap(pid, WUNTRACED).c_str());
    say("again: %s", reap(pid, WUNTRACED | WNOHANG).c_str());
    MUST(kill(pid, SIGCONT));
    next_chld("cont");
    show("nowait", WCONTINUED | WNOWAIT);
    say("WCONTINUED: %s", reap(pid, WCONTINUED).c_str());
    say("again: %s", reap(pid, WCONTINUED | WNOHANG).c_str());
  }
  MUST(kill(pid, SIGSTOP));
  next_chld("stop");
  show("waitid", WSTOPPED);
  show("waitid again", WSTOPPED | WNOHANG);
  MUST(kill(pid, SIGCONT));
  next_chld("cont");
  show("waitid", WCONTINUED);
  show("waitid again", WCONTINUED | WNOHANG);

  // A stopped process that is continued before anyone waits is not stopped any more.
  MUST(kill(pid, SIGSTOP));
  next_chld("stop");
  MUST(kill(pid, SIGCONT));
  next_chld("cont");
  say("%s", reap(pid, WUNTRACED | WNOHANG).c_str());
  say("%s", reap(pid, WUNTRACED | WCONTINUED | WNOHANG).c_str());

  // Killed while it is stopped.
  MUST(kill(pid, SIGSTOP));
  next_chld("stop");
  MUST(kill(pid, SIGTERM));
  say("stopped, TERM pending: %s", reap(pid, WNOHANG).c_str());
  say("state %s", stat_field("/proc/" + std::to_string(pid) + "/stat", 3).c_str());
  MUST(kill(pid, SIGKILL));
  next_chld("kill");
  say("%s", reap(pid, WUNTRACED).c_str());

  // It stops itself.
  pid = spawn([] {
    raise(SIGSTOP);
    _exit(7);
  });
  next_chld("self");
  say("%s", reap(pid, WUNTRACED).c_str());
  MUST(kill(pid, SIGCONT));
  say("%s", reap(pid).c_str());
  sigset_t set = signal_set({SIGCHLD});
  siginfo_t info;
  timespec zero = {};
  while (sigtimedwait(&set, &info, &zero) > 0) {
  }

  // SA_NOCLDSTOP: no signal for stops, one for the end.
  on_signal(
      SIGCHLD, [](int) {}, SA_NOCLDSTOP);
  pid = spawn([] {
    for (;;) pause();
  });
  MUST(kill(pid, SIGSTOP));
  say("%s", reap(pid, WUNTRACED).c_str());
  MUST(kill(pid, SIGCONT));
  say("%s", reap(pid, WCONTINUED).c_str());
  sigset_t pending;
  sigpending(&pending);
  say("CHLD pending %d", sigismember(&pending, SIGCHLD));
  MUST(kill(pid, SIGKILL));
  next_chld("end");
  say("%s", reap(pid).c_str());
}
