// setpgid and each of its errors.
#include "harness.h"

int main(int argc, char**) {
  if (argc > 1) {  // the child that has exec'ed
    MUST(write(3, "x", 1));
    char c;
    (void)!read(4, &c, 1);
    return 0;
  }
  MUST(setsid());
  SHOW(setpgid(0, 0));  // a session's leader
  SHOW(setpgid(1, 1));
  SHOW(setpgid(-1, 0));
  SHOW(setpgid(0, -1));
  SHOW(setpgid(9999, 0));
  in_child("itself", [] {
    SHOW(setpgid(0, 0));
    SHOW(getpgrp());
    SHOW(setpgid(0, 0));
    SHOW(setpgid(0, 1));  // back into the group of init, same session
    SHOW(getpgrp());
    SHOW(setpgid(0, 9999));
    SHOW(setpgid(getpid(), getpid()));
    SHOW(getpgid(getpid()));
    SHOW(setpgid(1, 0));  // neither itself nor its child
    SHOW(setpgid(9999, 9999));
  });

  Gate ready, go;
  pid_t a = spawn([&] { go.close_writer(), go.pass(); });
  pid_t b = spawn([&] { go.close_writer(), go.pass(); });
  SHOW(setpgid(a, a));
  SHOW(setpgid(b, a));
  SHOW(getpgid(a));
  SHOW(getpgid(b));
  SHOW(setpgid(b, b));
  SHOW(getpgid(b));
  SHOW(setpgid(b, 0));
  SHOW(setpgid(a, b));
  SHOW(getpgid(a));
  go.close_both();
  say("%s", reap(a).c_str());
  SHOW(setpgid(a, a));  // gone
  // The group's number stays while a member has it, though no process does.
  say("%s", reap(b).c_str());
  SHOW(setpgid(0, b));

  Gate other_ready, other_go;
  pid_t other = spawn([&] {
    other_go.close_writer();
    MUST(setsid());
    other_ready.open();
    other_go.pass();
  });
  other_ready.pass();
  SHOW(setpgid(other, other));
  SHOW(setpgid(other, 1));
  SHOW(setpgid(0, other));
  in_child("into another session's group", [&] { SHOW(setpgid(0, other)); });
  other_go.close_both();
  say("%s", reap(other).c_str());

  Gate exec_ready, exec_go;
  pid_t execed = spawn([&] {
    MUST(dup2(exec_ready.fds[1], 3));
    MUST(dup2(exec_go.fds[0], 4));
    for (int fd = 5; fd < 40; fd++) close(fd);
    execl("/proc/self/exe", "ids_setpgid", "x", nullptr);
    say("exec: %s", errno_name(errno));
  });
  exec_ready.pass();
  SHOW(setpgid(execed, execed));
  exec_go.open();
  say("%s", reap(execed).c_str());

  // A zombie can still be put into a group.
  pid_t zombie = spawn([] {});
  siginfo_t info;
  MUST(waitid(P_PID, static_cast<id_t>(zombie), &info, WEXITED | WNOWAIT));
  SHOW(setpgid(zombie, zombie));
  SHOW(getpgid(zombie));
  SHOW(kill(-zombie, 0));
  say("%s", reap(zombie).c_str());
  SHOW(kill(-zombie, 0));
}
