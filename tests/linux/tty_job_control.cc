// Job control on a pty: controlling terminal, foreground groups, Ctrl-Z, Ctrl-C, SIGTTIN, SIGTTOU.
#include <pty.h>
#include <termios.h>

#include "harness.h"

int main() {
  int master, slave;
  MUST(openpty(&master, &slave, nullptr, nullptr, nullptr));
  SHOW(tcgetpgrp(slave));
  in_child("session", [&] {
    SHOW(setsid());
    SHOW(tcgetpgrp(slave));
    SHOW(ioctl(slave, TIOCSCTTY, 0));
    SHOW(tcgetpgrp(slave));
    SHOW(tcgetsid(slave));
    pid_t sid = -5;
    SHOW(ioctl(master, TIOCGSID, &sid));
    say("sid by the master %d", sid);
    int group = -5;
    SHOW(ioctl(master, TIOCGPGRP, &group));
    say("group by the master %d", group);
    signal(SIGTTOU, SIG_IGN);

    Gate ready;
    pid_t job = spawn([&] {
      signal(SIGTTOU, SIG_DFL);
      setpgid(0, 0);
      ready.open();
      for (;;) pause();
    });
    ready.pass();
    SHOW(getpgid(job));
    SHOW(tcsetpgrp(slave, job));
    SHOW(tcgetpgrp(slave));
    MUST(write(master, "\x1a", 1));
    say("Ctrl-Z: %s", reap(job, WUNTRACED).c_str());
    SHOW(tcsetpgrp(slave, getpgrp()));
    SHOW(tcgetpgrp(slave));
    SHOW(tcsetpgrp(slave, job));
    SHOW(kill(-job, SIGCONT));
    say("%s", reap(job, WCONTINUED).c_str());
    MUST(write(master, "\x03", 1));
    say("Ctrl-C: %s", reap(job).c_str());
    // The foreground group is gone now.
    SHOW(tcgetpgrp(slave));
    SHOW(tcsetpgrp(slave, getpgrp()));

    // A background job reads: SIGTTIN.
    job = spawn([&] {
      setpgid(0, 0);
      char c;
      ssize_t n = read(slave, &c, 1);
      say("read %zd", n);
      _exit(2);
    });
    setpgid(job, job);
    say("background read: %s", reap(job, WUNTRACED).c_str());
    SHOW(tcsetpgrp(slave, job));
    SHOW(kill(-job, SIGCONT));
    MUST(write(master, "x\n", 2));
    say("in the foreground: %s", reap(job).c_str());
    SHOW(tcsetpgrp(slave, getpgrp()));

    // A background job sets the foreground group: SIGTTOU, unless it ignores that.
    job = spawn([&] {
      signal(SIGTTOU, SIG_DFL);
      setpgid(0, 0);
      SHOW(tcsetpgrp(slave, getpgrp()));
      SHOW(tcgetpgrp(slave));
    });
    setpgid(job, job);
    say("background tcsetpgrp: %s", reap(job, WUNTRACED).c_str());
    SHOW(tcgetpgrp(slave));
    SHOW(kill(job, SIGCONT));
    say("again: %s", reap(job, WUNTRACED).c_str());
    SHOW(kill(job, SIGKILL));
    say("%s", reap(job).c_str());
    in_child("ignoring SIGTTOU", [&] {
      setpgid(0, 0);
      SHOW(tcsetpgrp(slave, getpgrp()));
      SHOW(tcgetpgrp(slave));
    });
    SHOW(tcsetpgrp(slave, getpgrp()));

    SHOW(tcsetpgrp(slave, 9999));
    SHOW(tcsetpgrp(slave, -1));
    SHOW(tcsetpgrp(slave, 1));
    SHOW(tcsetpgrp(slave, 0));
    int pair[2];
    MUST(pipe(pair));
    SHOW(tcgetpgrp(pair[0]));
    SHOW(tcsetpgrp(pair[0], getpgrp()));
    SHOW(ioctl(slave, TIOCGPGRP, 16));
    SHOW(ioctl(slave, TIOCSPGRP, 16));
  });
}
