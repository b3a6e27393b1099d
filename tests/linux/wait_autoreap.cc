// SIGCHLD ignored or SA_NOCLDWAIT: children vanish, wait blocks till the last and says ECHILD.
#include "harness.h"

static volatile int signals;

int main() {
  signal(SIGCHLD, SIG_IGN);
  pid_t pid = spawn([] { _exit(1); });
  say("ignored: %s", reap(pid).c_str());
  SHOW(kill(pid, 0));
  Gate go;
  pid_t first = spawn([&] { go.close_writer(), go.pass(); });
  pid_t second = spawn([&] { go.close_writer(), go.pass(); });
  go.close_both();
  say("wait for all of %d %d: %s", first, second, reap(-1).c_str());

  on_signal(
      SIGCHLD, [](int) { signals = signals + 1; }, SA_NOCLDWAIT);
  pid = spawn([] { _exit(1); });
  for (;;) {
    int status;
    if (waitpid(pid, &status, 0) >= 0 || errno != EINTR) break;
  }
  say("SA_NOCLDWAIT: %s, gone: %s", errno_name(errno), reap(pid).c_str());
  // Linux still sends the signal.
  say("signals %d", signals);

  // One that is a zombie before the disposition changes stays a zombie.
  signal(SIGCHLD, SIG_DFL);
  pid = spawn([] { _exit(2); });
  siginfo_t info;
  MUST(waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT));
  signal(SIGCHLD, SIG_IGN);
  say("zombie from before: %s", reap(pid).c_str());

  // Stopped children are still reported.
  pid = spawn([] {
    raise(SIGSTOP);
    _exit(3);
  });
  say("stopped: %s", reap(pid, WUNTRACED).c_str());
  MUST(kill(pid, SIGCONT));
  say("ended: %s", reap(pid).c_str());

  // SIG_IGN is inherited over exec.
  signal(SIGCHLD, SIG_DFL);
  in_child("exec with SIGCHLD ignored", [] {
    signal(SIGCHLD, SIG_IGN);
    execl("/usr/bin/python3", "python3", "-c",
          "import os\n"
          "pid = os.fork()\n"
          "if pid == 0: os._exit(0)\n"
          "try: print(os.waitpid(pid, 0))\n"
          "except OSError as e: print(e)\n",
          nullptr);
  });
}
