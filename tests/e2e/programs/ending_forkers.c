// Two children that fork 500 times each, as fast as they can, and end at once; so does their
// parent, with 6.
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
  for (int i = 0; i < 2; i++) {
    if (fork() != 0) continue;
    for (int j = 0; j < 500; j++) {
      pid_t pid = fork();
      if (pid == 0) _exit(0);
      waitpid(pid, 0, 0);
    }
    _exit(0);
  }
  while (wait(0) > 0) {
  }
  return 6;
}
