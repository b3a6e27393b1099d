// timeout: 60
// Many orphans at once, of parents that end while they fork: init reaps each exactly once.
#include "harness.h"

int main() {
  for (int i = 0; i < 20; i++)
    spawn([] {
      for (int j = 0; j < 10; j++)
        spawn([] {
          spawn([] { _exit(1); });
          _exit(2);
        });
      _exit(3);
    });
  int count[4] = {}, status;
  while (wait(&status) > 0) count[WIFEXITED(status) ? WEXITSTATUS(status) & 3 : 0]++;
  say("%s: other %d, grandchildren %d, children %d, parents %d", errno_name(errno), count[0],
      count[1], count[2], count[3]);
}
