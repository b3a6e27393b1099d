// What shells do: a job of several processes in one group, stopped, continued, and waited for as
// one.
#include "harness.h"

int main() {
  MUST(setsid());
  Gate ready, go;
  pid_t group = 0, pids[3];
  for (int i = 0; i < 3; i++) {
    pids[i] = spawn([&] {
      setpgid(0, group);
      go.close_writer();
      ready.open();
      go.pass();
      _exit(i + 1);
    });
    if (group == 0) group = pids[0];
    setpgid(pids[i], group);
  }
  for (int i = 0; i < 3; i++) ready.pass();
  SHOW(kill(-group, SIGSTOP));
  for (pid_t pid : pids) say("%s", reap(pid, WUNTRACED).c_str());
  say("none more: %s", reap(-group, WUNTRACED | WNOHANG).c_str());
  SHOW(kill(-group, SIGCONT));
  for (pid_t pid : pids) say("%s", reap(pid, WCONTINUED).c_str());
  go.open();
  go.open();
  go.open();
  int sum = 0, status;
  for (int i = 0; i < 3; i++)
    if (waitpid(-group, &status, WUNTRACED) > 0) sum += WEXITSTATUS(status);
  say("sum %d then %s", sum, reap(-group, WUNTRACED).c_str());
}
