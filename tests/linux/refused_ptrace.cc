// oracle: expected
// ptrace by guests is refused, in each of its forms, and the refusal changes nothing.
#include <sys/ptrace.h>

#include "harness.h"

int main() {
  below_init([] {
    pid_t child = spawn([] {
      SHOW(ptrace(PTRACE_TRACEME, 0, 0, 0));
      raise(SIGSTOP);
      _exit(4);
    });
    say("%s", reap(child, WUNTRACED).c_str());
    SHOW(ptrace(PTRACE_ATTACH, child, 0, 0));
    SHOW(ptrace(PTRACE_SEIZE, child, 0, 0));
    SHOW(ptrace(PTRACE_CONT, child, 0, 0));
    SHOW(ptrace(PTRACE_SEIZE, getppid(), 0, 0));
    SHOW(kill(child, SIGCONT));
    say("%s", reap(child).c_str());
  });
}
