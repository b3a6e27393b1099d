// fork + exec + wait of /bin/true, dynamic loader included: what a shell does for every command.
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

static void op(void) {
  pid_t pid = fork();
  bench_require(pid >= 0, "fork");
  if (pid == 0) {
    execl("/bin/true", "true", (char*)NULL);
    _exit(127);
  }
  int status;
  bench_require(waitpid(pid, &status, 0) == pid && status == 0, "/bin/true");
}

int main(int argc, char** argv) { return bench_loop(argc, argv, 10, op); }
