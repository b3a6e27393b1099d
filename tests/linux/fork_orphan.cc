// Orphans become children of the namespace's init, which can wait for them.
#include "harness.h"

int main() {
  Gate parent_gone, answer;
  pid_t middle = spawn([&] {
    pid_t orphan = spawn([&] {
      send_int(answer.fds[1], getppid());
      parent_gone.close_writer();
      parent_gone.pass();
      send_int(answer.fds[1], getppid());
      _exit(7);
    });
    say("grandchild %d", orphan);
    // The orphan tells its first parent before the parent ends.
    say("its parent is %d", receive_int(answer.fds[0]));
  });
  say("%s", reap(middle).c_str());
  parent_gone.open();
  say("the orphan's parent is %d", receive_int(answer.fds[0]));
  say("%s", reap(-1).c_str());
  say("%s", reap(-1).c_str());

  // A daemon in the classic way.
  Gate daemon_answer, daemon_go;
  pid_t first = spawn([&] {
    MUST(setsid());
    if (fork() != 0) _exit(0);
    daemon_go.close_writer();
    daemon_go.pass();
    send_int(daemon_answer.fds[1], getppid());
    send_int(daemon_answer.fds[1], getsid(0));
    send_int(daemon_answer.fds[1], getpgrp());
    _exit(3);
  });
  say("%s", reap(first).c_str());
  daemon_go.open();
  for (const char* what : {"ppid", "sid", "pgrp"})
    say("daemon %s %d", what, receive_int(daemon_answer.fds[0]));
  say("%s", reap(-1).c_str());

  // A zombie that its parent never waited for goes to init too.
  pid_t careless = spawn([] {
    pid_t child = spawn([] { _exit(5); });
    siginfo_t info;
    MUST(waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT));
  });
  say("%s", reap(careless).c_str());
  say("%s", reap(-1).c_str());
  say("%s", reap(-1).c_str());
}
