// crowd [-x] N CMD...: runs CMD beside N sleeping processes, which all live before CMD starts and
// all are gone when crowd ends. Its exit status is CMD's. With -x each sleeper is a program of its
// own, which has executed `crowd --sleep`, not a copy of its parent.
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

// Says that this process is there, then sleeps for ever.
static _Noreturn void sleep_after_writing(int fd) {
  bench_require(write(fd, "x", 1) == 1, "write");
  close(fd);
  for (;;) pause();
}

// Starts one sleeper, which will write a byte to `alive`.
static pid_t start_sleeper(char* program, int execute, int alive) {
  pid_t self = getpid();
  pid_t pid = fork();
  bench_require(pid >= 0, "fork");
  if (pid != 0) return pid;
  // A crowd that is killed leaves no sleepers behind.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != self) _exit(1);
  if (!execute) sleep_after_writing(alive);
  char number[16];
  snprintf(number, sizeof number, "%d", alive);
  execl(program, program, "--sleep", number, (char*)NULL);
  perror(program);
  _exit(127);
}

int main(int argc, char** argv) {
  if (argc == 3 && strcmp(argv[1], "--sleep") == 0) sleep_after_writing(atoi(argv[2]));
  int execute = argc > 1 && strcmp(argv[1], "-x") == 0;
  char** arguments = argv + 1 + execute;
  if (argc - execute < 3) {
    fprintf(stderr, "usage: crowd [-x] N CMD...\n");
    return 2;
  }
  long count = atol(arguments[0]);
  pid_t* sleepers = calloc((size_t)count + 1, sizeof *sleepers);
  bench_require(sleepers != NULL, "calloc");
  int alive[2];
  bench_require(pipe(alive) == 0, "pipe");
  bench_require(fcntl(alive[0], F_SETFD, FD_CLOEXEC) == 0, "fcntl");
  for (long i = 0; i < count; i++) sleepers[i] = start_sleeper(argv[0], execute, alive[1]);
  close(alive[1]);
  char byte;
  for (long i = 0; i < count; i++) {
    bench_require(read(alive[0], &byte, 1) == 1, "a sleeper did not start");
  }
  close(alive[0]);
  pid_t pid = fork();
  bench_require(pid >= 0, "fork");
  if (pid == 0) {
    execvp(arguments[1], arguments + 1);
    perror(arguments[1]);
    _exit(127);
  }
  int status;
  bench_require(waitpid(pid, &status, 0) == pid, "waitpid");
  for (long i = 0; i < count; i++) kill(sleepers[i], SIGKILL);
  for (long i = 0; i < count; i++) waitpid(sleepers[i], NULL, 0);
  free(sleepers);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
