// kill with each form of the pid, and its errors.
#include "harness.h"

static volatile int hits;

int main() {
  on_signal(SIGUSR1, [](int) { hits = hits + 1; });
  SHOW(kill(1, 0));
  SHOW(kill(9999, 0));
  SHOW(kill(9999, SIGTERM));
  SHOW(kill(-9999, SIGTERM));
  SHOW(kill(1, 65));
  SHOW(kill(1, -1));
  SHOW(kill(9999, 65));
  SHOW(raw(SYS_kill, -2147483648L, 0));
  SHOW(kill(2147483647, 0));
  SHOW(kill(-1, 0));  // nobody but init itself
  SHOW(kill(0, 0));
  SHOW(kill(getpid(), SIGUSR1));
  say("hits %d", hits);

  MUST(setsid());
  Gate ready, go;
  pid_t a = spawn([&] {
    signal(SIGUSR1, SIG_DFL);
    ready.open();
    for (;;) pause();
  });
  pid_t b = spawn([&] {
    signal(SIGUSR1, SIG_DFL);
    setpgid(0, 0);
    ready.open();
    for (;;) pause();
  });
  ready.pass();
  ready.pass();
  SHOW(kill(-b, 0));
  SHOW(kill(-a, 0));
  SHOW(kill(-getpgrp(), 0));
  // To the own group: a and init itself, b is in another.
  SHOW(kill(0, SIGUSR1));
  say("hits %d", hits);
  say("%s", reap(a).c_str());
  say("%s", reap(b, WNOHANG).c_str());
  SHOW(kill(-b, SIGUSR1));
  say("%s", reap(b).c_str());
  SHOW(kill(-b, SIGUSR1));

  // A zombie can be signalled, without effect.
  pid_t z = spawn([] { _exit(3); });
  siginfo_t info;
  MUST(waitid(P_PID, static_cast<id_t>(z), &info, WEXITED | WNOWAIT));
  SHOW(kill(z, 0));
  SHOW(kill(z, SIGKILL));
  say("%s", reap(z).c_str());
  SHOW(kill(z, 0));

  // -1: all but the caller and init.
  pid_t many[5];
  for (pid_t& pid : many) {
    pid = spawn([&] {
      signal(SIGUSR1, SIG_DFL);
      setsid();
      ready.open();
      for (;;) pause();
    });
    ready.pass();
  }
  pid_t killer = spawn([] {
    SHOW(kill(-1, SIGUSR1));
    _exit(7);
  });
  say("%s", reap(killer).c_str());
  for (pid_t pid : many) say("%s", reap(pid).c_str());
  say("hits %d", hits);

  // By init itself: all others.
  for (pid_t& pid : many) {
    pid = spawn([&] {
      ready.open();
      for (;;) pause();
    });
    ready.pass();
  }
  SHOW(kill(-1, SIGKILL));
  for (pid_t pid : many) say("%s", reap(pid).c_str());
  SHOW(kill(-1, SIGKILL));
  say("hits %d", hits);
}
