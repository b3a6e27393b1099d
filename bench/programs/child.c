// The ways of making a child, each with the wait for it: a child that only ends, and three that
// become /bin/true, dynamic loader included.
//   child SECONDS fork|fork_exec|vfork_exec|posix_spawn
#include <errno.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

extern char** environ;

static char* const true_argv[] = {"true", NULL};

static void wait_for(pid_t pid, const char* what) {
  int status;
  bench_require(pid >= 0, what);
  bench_require(waitpid(pid, &status, 0) == pid && status == 0, what);
}

static void op_fork(void) {
  pid_t pid = fork();
  if (pid == 0) _exit(0);
  wait_for(pid, "fork");
}

static void op_fork_exec(void) {
  pid_t pid = fork();
  if (pid == 0) {
    execve("/bin/true", true_argv, environ);
    _exit(127);
  }
  wait_for(pid, "fork and exec of /bin/true");
}

static void op_vfork_exec(void) {
  pid_t pid = vfork();
  if (pid == 0) {
    execve("/bin/true", true_argv, environ);
    _exit(127);
  }
  wait_for(pid, "vfork and exec of /bin/true");
}

static void op_posix_spawn(void) {
  pid_t pid;
  errno = posix_spawn(&pid, "/bin/true", NULL, NULL, true_argv, environ);
  bench_require(errno == 0, "posix_spawn");
  wait_for(pid, "posix_spawn of /bin/true");
}

static const struct bench_mode modes[] = {{"fork", op_fork},
                                          {"fork_exec", op_fork_exec},
                                          {"vfork_exec", op_vfork_exec},
                                          {"posix_spawn", op_posix_spawn},
                                          {NULL, NULL}};

int main(int argc, char** argv) {
  return bench_loop(argc, argv, 10, bench_choose(argc, argv, modes));
}
