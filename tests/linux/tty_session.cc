// Sessions and terminals: TIOCNOTTY, hang-up at the leader's end, /dev/tty, another's terminal.
#include <pty.h>
#include <termios.h>

#include "harness.h"

static volatile int hups, conts, hup_pid;

int main() {
  int master, slave;
  MUST(openpty(&master, &slave, nullptr, nullptr, nullptr));
  Gate ready, go, after;
  in_child("leader ends: the foreground group gets SIGHUP", [&] {
    MUST(setsid());
    MUST(ioctl(slave, TIOCSCTTY, 0));
    pid_t job = spawn([&] {
      block({SIGHUP, SIGCONT});
      setpgid(0, 0);
      ready.open();
      sigset_t set = signal_set({SIGHUP});
      siginfo_t info = {};
      int sig = sigwaitinfo(&set, &info);
      after.pass();
      say("job: %s si_pid %d %s", signal_name(sig).c_str(), info.si_pid,
          si_code_text(info.si_code));
      say("job: /dev/tty %s", open("/dev/tty", O_RDWR) < 0 ? errno_name(errno) : "open");
      SHOW(getsid(0));
      go.open();
    });
    ready.pass();
    signal(SIGTTOU, SIG_IGN);
    SHOW(tcsetpgrp(slave, job));
  });
  after.open();
  go.pass();
  say("%s", reap(-1).c_str());

  MUST(openpty(&master, &slave, nullptr, nullptr, nullptr));
  in_child("TIOCNOTTY", [&] {
    MUST(setsid());
    SHOW(ioctl(slave, TIOCNOTTY));
    SHOW(ioctl(slave, TIOCSCTTY, 0));
    signal(SIGHUP, SIG_IGN);
    int tty = open("/dev/tty", O_RDWR);
    SHOW(tcgetpgrp(tty));
    SHOW(tcgetsid(tty));
    in_child("not a leader", [&] {
      SHOW(ioctl(slave, TIOCSCTTY, 0));
      SHOW(tcgetsid(slave));
      SHOW(ioctl(slave, TIOCNOTTY));
      SHOW(tcgetsid(slave));
    });
    SHOW(ioctl(slave, TIOCNOTTY));
    SHOW(tcgetpgrp(slave));
  });

  // Another session's terminal.
  MUST(openpty(&master, &slave, nullptr, nullptr, nullptr));
  Gate owned, end;
  pid_t owner = spawn([&] {
    MUST(setsid());
    MUST(ioctl(slave, TIOCSCTTY, 0));
    owned.open();
    end.close_writer();
    end.pass();
  });
  owned.pass();
  in_child("another session", [&] {
    MUST(setsid());
    SHOW(ioctl(slave, TIOCSCTTY, 0));
    SHOW(tcgetpgrp(slave));
    SHOW(tcsetpgrp(slave, getpgrp()));
    SHOW(tcgetsid(slave));
    int sid = -5;
    SHOW(ioctl(master, TIOCGSID, &sid));
    say("by the master %d", sid);
  });
  end.open();
  say("%s", reap(owner).c_str());

  // An orphaned group with a stopped member gets SIGHUP and SIGCONT.
  in_child("newly orphaned group", [] {
    MUST(setsid());
    static Gate told, parent_gone;
    pid_t middle = spawn([] {
      pid_t job = spawn([] {
        setpgid(0, 0);
        on_signal(SIGHUP, [](int, siginfo_t* info, void*) {
          hups = hups + 1;
          hup_pid = info->si_pid;
        });
        on_signal(SIGCONT, [](int) { conts = conts + 1; });
        raise(SIGSTOP);
        while (!hups || !conts) sched_yield();
        parent_gone.pass();
        say("hups %d conts %d si_pid %d", hups, conts, hup_pid);
        told.open();
        _exit(0);
      });
      setpgid(job, job);
      say("%s", reap(job, WUNTRACED).c_str());
    });
    say("%s", reap(middle).c_str());
    parent_gone.open();
    told.pass();
  });
  say("%s", reap(-1).c_str());
}
