// What a namespace's init is protected from, seen from inside: default dispositions do nothing.
#include "harness.h"

static volatile int handled;

int main() {
  // Each signal whose default would end or stop it, by itself and by a child.
  int kept = 0;
  for (int sig = 1; sig < 32; sig++) {
    if (sig == SIGCHLD || sig == SIGCONT || sig == SIGURG || sig == SIGWINCH) continue;
    if (kill(1, sig) == 0) kept++;
  }
  say("by itself: %d", kept);
  kept = 0;
  in_child("killer", [] {
    int sent = 0;
    for (int sig = 1; sig < 65; sig++)
      if (sig != 32 && sig != 33 && kill(1, sig) == 0) sent++;
    say("sent %d", sent);
    SHOW(raw(SYS_tgkill, 1, 1, SIGKILL));
    SHOW(raw(SYS_tkill, 1, SIGSTOP));
    SHOW(sigqueue(1, SIGTERM, {.sival_int = 1}));
    SHOW(kill(-1, SIGKILL));
    SHOW(kill(-1, SIGSTOP));
    int fd = static_cast<int>(raw(SYS_pidfd_open, 1, 0));
    SHOW(raw(SYS_pidfd_send_signal, fd, SIGKILL, 0, 0));
    SHOW(raw(SYS_pidfd_send_signal, fd, SIGSTOP, 0, 0));
    SHOW(raw(SYS_pidfd_send_signal, fd, SIGTERM, 0, 0));
  });
  say("state %s", stat_field("/proc/1/stat", 3).c_str());
  // Signals with a handler arrive.
  on_signal(SIGTERM, [](int) { handled = handled + 1; });
  in_child("with a handler", [] { SHOW(kill(1, SIGTERM)); });
  while (!handled) sched_yield();
  say("handled %d", handled);
  // Blocked and default: dropped, or kept until a handler is there.
  block({SIGUSR1, SIGKILL, SIGSTOP});
  in_child("blocked", [] { SHOW(kill(1, SIGUSR1)); });
  sigset_t pending;
  sigpending(&pending);
  say("pending %d", sigismember(&pending, SIGUSR1));
  handled = 0;
  on_signal(SIGUSR1, [](int) { handled = handled + 10; });
  sigset_t set = signal_set({SIGUSR1});
  sigprocmask(SIG_UNBLOCK, &set, nullptr);
  say("handled %d", handled);
  // A handler taken away again: protected again.
  signal(SIGTERM, SIG_DFL);
  in_child("without it", [] { SHOW(kill(1, SIGTERM)); });
  // A handler for a fault of its own works; SIGKILL by itself does nothing either.
  SHOW(kill(getpid(), SIGKILL));
  SHOW(raise(SIGSTOP));
  SHOW(kill(0, SIGTERM));
  say("end");
}
