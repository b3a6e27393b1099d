// oracle: privileged
// The end of an inner init takes everything below with it, at every depth, before it is reported.
#include "harness.h"

static void populate(int depth, Gate& ready) {
  for (int i = 0; i < 3; i++)
    spawn([&] {
      signal(SIGTERM, SIG_IGN);
      setsid();
      ready.open();
      for (;;) pause();
    });
  if (depth > 0) {
    long child = raw(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
    if (child == 0) {
      populate(depth - 1, ready);
      _exit(0);
    }
  }
  ready.open();
  pause();
}

int main() {
  for (bool by_exit : {false, true}) {
    Gate ready, alive, end;
    long inner = raw(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
    if (inner == 0) {
      close(alive.fds[0]);
      pid_t second = spawn([&] { populate(2, ready); });
      (void)second;
      end.close_writer();
      end.pass();
      _exit(44);
    }
    alive.close_writer();
    // 3 processes and one keeper at each of three depths.
    for (int i = 0; i < 12; i++) ready.pass();
    ready.close_writer();
    if (by_exit)
      end.open();
    else
      kill(static_cast<pid_t>(inner), SIGKILL);
    say("%s", reap(static_cast<pid_t>(inner)).c_str());
    // All of them held the writing end; now it is closed at once.
    pollfd p = {alive.fds[0], POLLIN, 0};
    say("closed by the time it is reaped: %d", poll(&p, 1, 0) == 1 && (p.revents & POLLHUP) != 0);
    SHOW(kill(-1, 0));
    say("none left: %s", reap(-1).c_str());
    end.close_both();
    ready.close_both();
  }
  in_child("numbers go on", [] {});
}
