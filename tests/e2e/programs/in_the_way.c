// A program that has memory of its own where the agent would be. It makes the calls that an agent
// serves, and looks whether its memory is as it was.
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile unsigned char big[64 << 20];

int main(void) {
  // Zeros, as in a heap: an agent that nothing was patched for yet has them there as well.
  for (int i = 0; i < 300; i++) {
    struct stat st;
    int fd = open("/etc/passwd", O_RDONLY);
    if (fd < 0 || stat("/etc", &st) != 0 || access("/", F_OK) != 0) return 1;
    close(fd);
    if (getpid() != 1 || getppid() != 0) return 2;
  }
  pid_t child = fork();
  if (child == 0) _exit(getpid() == 2 && access("/etc", F_OK) == 0 ? 0 : 3);
  int status;
  if (waitpid(child, &status, 0) != child || status != 0) return 3;
  for (size_t i = 0; i < sizeof big; i++) {
    if (big[i] != 0) return 4;
  }
  puts("untouched");
  return 0;
}
