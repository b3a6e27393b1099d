// timeout: 60
// Two processes that signal each other without pause: every si_pid is the other's number.
#include "harness.h"

static volatile int from_other, from_elsewhere, expected;

int main() {
  below_init([] {
    on_signal(
        SIGUSR1,
        [](int, siginfo_t* info, void*) {
          if (info->si_pid == expected)
            from_other = from_other + 1;
          else
            from_elsewhere = from_elsewhere + 1;
        },
        SA_RESTART);
    block({SIGUSR1});
    sigset_t none;
    sigemptyset(&none);
    pid_t parent = getpid();
    pid_t child = spawn([&] {
      expected = parent;
      for (int i = 0; i < 500; i++) {
        sigsuspend(&none);
        kill(parent, SIGUSR1);
      }
      say("child: %d %d", from_other, from_elsewhere);
    });
    expected = child;
    for (int i = 0; i < 500; i++) {
      kill(child, SIGUSR1);
      sigsuspend(&none);
    }
    say("%s", reap(child).c_str());
    say("parent: %d %d", from_other, from_elsewhere);
  });
}
