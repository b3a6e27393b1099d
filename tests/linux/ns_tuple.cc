// oracle: privileged
// NSpid, NStgid, NSpgid and NSsid of processes below, read from the first namespace's /proc.
#include <pthread.h>

#include "harness.h"

int main() {
  Gate ready, go;
  pid_t top = spawn([&] {
    MUST(setsid());
    long one = raw(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
    if (one == 0) {
      MUST(setpgid(0, 0));
      spawn([] {});
      wait(nullptr);
      long two = raw(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
      if (two == 0) {
        pthread_t t;
        static Gate in_thread;
        pthread_create(
            &t, nullptr,
            [](void*) -> void* {
              in_thread.open();
              for (;;) pause();
            },
            nullptr);
        in_thread.pass();
        ready.open();
        for (;;) pause();
      }
      for (;;) pause();
    }
    go.close_writer();
    go.pass();
    kill(static_cast<pid_t>(one), SIGKILL);
    waitpid(static_cast<pid_t>(one), nullptr, 0);
  });
  ready.pass();
  for (int pid = 1; pid <= 7; pid++) {
    std::string path = "/proc/" + std::to_string(pid) + "/status";
    say("%d: Tgid %s Pid %s PPid %s NStgid %s NSpid %s NSpgid %s NSsid %s", pid,
        status_field(path, "Tgid").c_str(), status_field(path, "Pid").c_str(),
        status_field(path, "PPid").c_str(), status_field(path, "NStgid").c_str(),
        status_field(path, "NSpid").c_str(), status_field(path, "NSpgid").c_str(),
        status_field(path, "NSsid").c_str());
  }
  go.open();
  say("%s", reap(top).c_str());
}
