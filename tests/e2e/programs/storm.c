// A fork storm: init's workers fork without pause until argv[1] processes live, and hold on.
// Each says its role by its name, so that the host can tell init from the rest.
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char** argv) {
  int limit = argc > 1 ? atoi(argv[1]) : 2000;
  int* count = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  prctl(PR_SET_NAME, "storm-init");
  *count = 1;
  for (int i = 0; i < 8; i++) {
    if (fork() != 0) continue;
    prctl(PR_SET_NAME, "storm-worker");
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    if (i % 2) setsid();
    while (__atomic_add_fetch(count, 1, __ATOMIC_SEQ_CST) <= limit) {
      pid_t pid = fork();
      // Children go on in their parent's place every other time: chains and stars both grow.
      if (pid == 0 && getpid() % 2) continue;
      if (pid == 0 || pid < 0) break;
    }
    for (;;) pause();
  }
  for (;;)
    if (wait(NULL) < 0) pause();
}
