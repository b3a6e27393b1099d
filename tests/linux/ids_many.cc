// Numbers go up one by one through many forks, and the parent's view agrees with the child's.
#include "harness.h"

int main() {
  int wrong = 0, last = 0;
  for (int i = 0; i < 200; i++) {
    Gate gate;
    pid_t pid = spawn([&] { send_int(gate.fds[1], getpid()); });
    if (receive_int(gate.fds[0]) != pid) wrong++;
    if (last != 0 && pid != last + 1) wrong++;
    last = pid;
    gate.close_both();
    int status;
    if (waitpid(-1, &status, 0) != pid) wrong++;
  }
  say("last %d wrong %d", last, wrong);
}
