// A daemon in the classic way: two forks, a session of its own, its parent gone. Writes to argv[1]
// what it then sees, and ends when the file argv[2] appears.
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  pid_t first = fork();
  if (first == 0) {
    setsid();
    int gone[2];
    if (pipe(gone) != 0) _exit(1);
    if (fork() != 0) _exit(0);
    close(gone[1]);
    char c;
    (void)!read(gone[0], &c, 1);  // ends when the parent has
    while (getppid() != 1) usleep(1000);
    char name[4096];
    snprintf(name, sizeof name, "%s.new", argv[1]);
    FILE* out = fopen(name, "w");
    fprintf(out, "ppid %d leads its session %d\n", getppid(), getpid() == getsid(0));
    fclose(out);
    rename(name, argv[1]);
    while (access(argv[2], F_OK) != 0) usleep(10000);
    _exit(0);
  }
  waitpid(first, NULL, 0);
  return 0;
}
