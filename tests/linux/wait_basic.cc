// wait4 and waitpid: each form of the pid, options, errors, rusage.
#include "harness.h"

int main() {
  say("no children: %s", reap(-1).c_str());
  SHOW(waitpid(-1, nullptr, WNOHANG));
  SHOW(waitpid(2, nullptr, 0));
  SHOW(waitpid(1, nullptr, 0));
  SHOW(waitpid(-9999, nullptr, 0));
  SHOW(waitpid(0, nullptr, 0));
  SHOW(raw(SYS_wait4, -2147483648L, 0, 0, 0));
  SHOW(waitpid(-1, nullptr, 0x100));
  SHOW(waitpid(-1, nullptr, WEXITED));

  Gate go;
  pid_t a = spawn([&] {
    go.close_writer();
    go.pass();
    _exit(1);
  });
  say("alive: %s", reap(a, WNOHANG).c_str());
  say("alive: %s", reap(-1, WNOHANG).c_str());
  say("alive, own group: %s", reap(0, WNOHANG).c_str());
  say("alive, a group it is not in: %s", reap(-a, WNOHANG).c_str());
  MUST(setpgid(a, a));
  say("alive, its group: %s", reap(-a, WNOHANG).c_str());
  say("alive, own group: %s", reap(0, WNOHANG).c_str());
  go.open();
  say("by group: %s", reap(-a).c_str());
  say("gone: %s", reap(-a).c_str());
  say("gone: %s", reap(a).c_str());

  // A bad pointer loses the status but reaps.
  pid_t b = spawn([] { _exit(2); });
  SHOW(raw(SYS_wait4, b, 16, 0, 0));
  say("gone: %s", reap(b).c_str());

  // Another's child.
  Gate number;
  pid_t parent = spawn([&] {
    pid_t child = spawn([] { _exit(3); });
    siginfo_t info;
    MUST(waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT));
    send_int(number.fds[1], child);
    for (;;) pause();
  });
  int child = receive_int(number.fds[0]);
  say("another's child %d: %s", child, reap(child).c_str());
  MUST(kill(parent, SIGKILL));
  say("%s", reap(parent).c_str());
  say("%s", reap(child).c_str());

  rusage usage;
  memset(&usage, 0xff, sizeof usage);
  pid_t c = spawn([] { _exit(4); });
  int status;
  SHOW(wait4(c, &status, 0, &usage));
  say("%s, rusage filled %d", status_text(status).c_str(),
      usage.ru_maxrss > 0 && usage.ru_utime.tv_sec == 0);
  c = spawn([] { raise(SIGTERM); });
  SHOW(wait4(-1, &status, 0, nullptr));
  say("%s", status_text(status).c_str());
  rusage sum;
  SHOW(getrusage(RUSAGE_CHILDREN, &sum));
  say("children's maxrss known %d", sum.ru_maxrss > 0);

  // Several zombies: each is reaped once, whichever comes first.
  int seen = 0, first = 0;
  for (int i = 0; i < 5; i++) {
    pid_t pid = spawn([i] { _exit(i); });
    if (first == 0) first = pid;
  }
  for (int i = 0; i < 5; i++) {
    pid_t pid = waitpid(-1, &status, 0);
    if (WEXITSTATUS(status) == pid - first) seen |= 1 << (pid - first);
  }
  say("seen %x then %s", seen, reap(-1).c_str());
}
