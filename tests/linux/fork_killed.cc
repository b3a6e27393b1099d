// timeout: 60
// Children that are killed or stopped at birth, before they ran: each is reaped with what it got.
#include <pthread.h>

#include "harness.h"

static int count(int rounds, int sig, bool inner) {
  int right = 0;
  for (int i = 0; i < rounds; i++) {
    pid_t pid = inner ? spawn([] { in_child("never", [] { pause(); }); }) : spawn([] { pause(); });
    if (kill(pid, sig) != 0) continue;
    int status;
    right += waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == sig;
  }
  return right;
}

int main() {
  say("killed: %d", count(300, SIGKILL, false));
  say("terminated: %d", count(100, SIGTERM, false));
  say("killed while they fork: %d", count(100, SIGKILL, true));
  // Orphans of the last: init reaps them, some exist and some never came to be.
  kill(-1, SIGKILL);
  while (wait(nullptr) > 0) {
  }
  int stopped = 0, status;
  for (int i = 0; i < 100; i++) {
    pid_t pid = spawn([] { _exit(3); });
    kill(pid, SIGSTOP);
    pid_t got = waitpid(pid, &status, WUNTRACED);
    if (got == pid && WIFSTOPPED(status)) {
      kill(pid, SIGCONT);
      got = waitpid(pid, &status, 0);
    }
    stopped += got == pid && WIFEXITED(status) && WEXITSTATUS(status) == 3;
  }
  say("stopped and continued: %d", stopped);

  // Killed by a thread while another forks: the whole group ends, whatever it was about to make.
  int groups = 0;
  for (int i = 0; i < 50; i++) {
    pid_t pid = spawn([] {
      MUST(setpgid(0, 0));
      pthread_t t;
      pthread_create(
          &t, nullptr,
          [](void*) -> void* {
            for (;;) {
              pid_t child = fork();
              if (child == 0) pause();
            }
            return nullptr;
          },
          nullptr);
      kill(0, SIGKILL);
      pause();
    });
    groups += waitpid(pid, &status, 0) == pid && WIFSIGNALED(status);
  }
  say("groups: %d", groups);
  kill(-1, SIGKILL);
  while (wait(nullptr) > 0) {
  }
  SHOW(kill(-1, 0));
}
