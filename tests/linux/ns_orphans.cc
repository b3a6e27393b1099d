// oracle: privileged
// Orphans go to the init of their own namespace, or to a subreaper of it, never past its border.
#include "harness.h"

int main() {
  below_init([] {
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    Gate go, answer;
    long inner = raw(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
    if (inner == 0) {
      pid_t middle = spawn([&] {
        spawn([&] {
          go.close_writer();
          go.pass();
          send_int(answer.fds[1], getppid());
          _exit(2);
        });
      });
      say("inner: %s", reap(middle).c_str());
      go.open();
      say("orphan's parent %d", receive_int(answer.fds[0]));
      say("inner: %s", reap(-1).c_str());
      say("inner: %s", reap(-1).c_str());
      _exit(5);
    }
    say("%s", reap(static_cast<pid_t>(inner)).c_str());
    say("none: %s", reap(-1).c_str());

    // The parent of an inner init ends: the init's ppid stays 0.
    Gate inner_go;
    pid_t parent = spawn([&] {
      long child = raw(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
      if (child == 0) {
        inner_go.close_writer();
        inner_go.pass();
        send_int(answer.fds[1], getppid());
        _exit(6);
      }
    });
    say("%s", reap(parent).c_str());
    inner_go.open();
    say("inner init's ppid %d", receive_int(answer.fds[0]));
    say("%s", reap(-1).c_str());
  });
}
