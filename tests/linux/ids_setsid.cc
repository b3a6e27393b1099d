// setsid: new session and group, EPERM for a group's leader, and what its children inherit.
#include "harness.h"

int main() {
  in_child("leader", [] {
    SHOW(setsid());
    SHOW(getsid(0));
    SHOW(getpgrp());
    SHOW(setsid());
    in_child("member", [] {
      SHOW(getsid(0));
      SHOW(getpgrp());
      SHOW(getsid(getppid()));
      SHOW(setsid());
      SHOW(getsid(getppid()));
    });
  });
  in_child("leader of a group only", [] {
    SHOW(setpgid(0, 0));
    SHOW(setsid());
    SHOW(getsid(0));
  });
  in_child("group of the dead leader", [] {
    // The number of a group lives on while a member does, and no setsid may take it.
    SHOW(setpgid(0, 0));
    Gate go;
    pid_t orphan = spawn([&] {
      go.close_writer();
      go.pass();
      SHOW(getpgrp());
      SHOW(kill(-getpgrp(), 0));
      SHOW(setsid());
      SHOW(getpgrp());
    });
    say("orphan %d", orphan);
    go.open();
    MUST(waitpid(orphan, nullptr, 0));
  });
  // Init outlives all; its own session is outside until it makes one.
  SHOW(setsid());
  SHOW(getsid(0));
  SHOW(getpgrp());
  in_child("child of init", [] {
    SHOW(getsid(0));
    SHOW(getpgid(1));
    SHOW(setsid());
  });
}
