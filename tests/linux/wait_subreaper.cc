// PR_SET_CHILD_SUBREAPER: orphans go to the nearest subreaper, and the flag's life.
#include "harness.h"

static int subreaper() {
  int value = -1;
  MUST(prctl(PR_GET_CHILD_SUBREAPER, &value));
  return value;
}

int main() {
  say("init: %d", subreaper());
  SHOW(prctl(PR_SET_CHILD_SUBREAPER, 1));
  say("init: %d", subreaper());
  SHOW(prctl(PR_SET_CHILD_SUBREAPER, 0));
  say("init: %d", subreaper());
  SHOW(prctl(PR_GET_CHILD_SUBREAPER, 16));

  in_child("subreaper", [] {
    say("inherited: %d", subreaper());
    SHOW(prctl(PR_SET_CHILD_SUBREAPER, 5));
    say("now: %d", subreaper());
    Gate go, answer;
    pid_t middle = spawn([&] {
      say("in its child: %d", subreaper());
      spawn([&] {
        go.close_writer();
        go.pass();
        send_int(answer.fds[1], getppid());
        _exit(3);
      });
    });
    say("%s", reap(middle).c_str());
    go.open();
    say("orphan's parent %d", receive_int(answer.fds[0]));
    say("%s", reap(-1).c_str());
    say("%s", reap(-1).c_str());

    // Nested: the inner subreaper first, and after its end the outer.
    Gate inner_go, orphan_go;
    pid_t inner = spawn([&] {
      prctl(PR_SET_CHILD_SUBREAPER, 1);
      pid_t m = spawn([&] {
        spawn([&] {
          inner_go.close_writer();
          orphan_go.close_writer();
          inner_go.pass();
          send_int(answer.fds[1], getppid());
          orphan_go.pass();
          send_int(answer.fds[1], getppid());
        });
      });
      say("%s", reap(m).c_str());
      inner_go.open();
      say("parent %d", receive_int(answer.fds[0]));
    });
    say("%s", reap(inner).c_str());
    orphan_go.open();
    say("then parent %d", receive_int(answer.fds[0]));
    say("%s", reap(-1).c_str());

    // Switched off: to init.
    SHOW(prctl(PR_SET_CHILD_SUBREAPER, 0));
    middle = spawn([&] {
      spawn([&] {
        go.close_writer();
        go.pass();
        send_int(answer.fds[1], getppid());
      });
    });
    say("%s", reap(middle).c_str());
    go.open();
    say("parent %d", receive_int(answer.fds[0]));
    say("%s", reap(-1).c_str());
  });
  say("init got: %s", reap(-1).c_str());

  // It survives exec.
  in_child("exec", [] {
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    execl("/bin/sh", "sh", "-c",
          "echo me $$; (sh -c 'sh -c \"read x < /tmp/nonexistent; exit 0\" & exit 0' 2>/dev/null); "
          "wait; echo done",
          nullptr);
  });
}
