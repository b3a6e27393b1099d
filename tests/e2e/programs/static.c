// No dynamic loader, no shared libc: fork, wait, thread numbers and exec all the same.
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
  printf("pid %d ppid %d\n", getpid(), getppid());
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) {
    printf("child %d of %d\n", getpid(), getppid());
    return 5;
  }
  int status;
  waitpid(pid, &status, 0);
  printf("child %d exited %d\n", pid, WEXITSTATUS(status));
  return 0;
}
