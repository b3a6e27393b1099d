// oracle: privileged
// unshare(CLONE_NEWPID): the caller stays, its next child is 1 of the new namespace.
#include "harness.h"

int main() {
  below_init([] {
    SHOW(unshare(CLONE_NEWPID | (1 << 5)));
    SHOW(unshare(CLONE_NEWPID));
    SHOW(getpid());
    SHOW(raw(SYS_gettid));
    Gate inner, go;
    pid_t child = spawn([&] {
      int numbers[] = {getpid(), getppid(), getpgrp(), getsid(0),
                       static_cast<int>(raw(SYS_gettid))};
      SHOW(kill(2, 0));
      SHOW(kill(-1, 0));
      in_child("second of the inner", [] {
        SHOW(getpid());
        SHOW(getppid());
        SHOW(kill(1, SIGKILL));
      });
      SHOW(setsid());
      SHOW(getpgrp());
      for (int number : numbers) send_int(inner.fds[1], number);
      go.close_writer();
      go.pass();
      _exit(17);
    });
    for (const char* what : {"pid", "ppid", "pgrp", "sid", "tid"})
      say("inner %s %d", what, receive_int(inner.fds[0]));
    say("outer number %d", child);
    // A second unshare while children already have their own: refused.
    SHOW(unshare(CLONE_NEWPID));
    SHOW(getpgid(child));
    // A thread cannot be made now that its namespace would differ from the leader's.
    SHOW(raw(SYS_clone, CLONE_VM | CLONE_SIGHAND | CLONE_THREAD, 4096, 0, 0, 0));
    pid_t sibling = spawn([&] {
      send_int(inner.fds[1], getpid());
      send_int(inner.fds[1], getppid());
      _exit(18);
    });
    int number = receive_int(inner.fds[0]), parent = receive_int(inner.fds[0]);
    say("sibling: outer %d inner %d ppid %d", sibling, number, parent);
    say("%s", reap(sibling).c_str());
    go.open();
    say("%s", reap(child).c_str());
    // Its init is dead: no more children there, ever.
    SHOW(fork());
    SHOW(vfork());
    SHOW(unshare(CLONE_NEWPID));
    SHOW(getpid());
  });
}
