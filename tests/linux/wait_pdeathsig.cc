// PR_SET_PDEATHSIG: at the parent's end, by thread, cleared by fork, kept over exec; si_pid.
#include <pthread.h>

#include "harness.h"

static int pdeathsig() {
  int value = -1;
  MUST(prctl(PR_GET_PDEATHSIG, &value));
  return value;
}

int main() {
  SHOW(prctl(PR_SET_PDEATHSIG, 65));
  SHOW(prctl(PR_SET_PDEATHSIG, -1));
  in_child("inherit", [] {
    MUST(prctl(PR_SET_PDEATHSIG, SIGUSR1));
    say("set %d", pdeathsig());
    in_child("child", [] { say("not inherited: %d", pdeathsig()); });
  });

  Gate ready, answer, go;
  pid_t parent = spawn([&] {
    spawn([&] {
      block({SIGUSR1});
      MUST(prctl(PR_SET_PDEATHSIG, SIGUSR1));
      ready.open();
      sigset_t set = signal_set({SIGUSR1});
      siginfo_t info = {};
      int sig = sigwaitinfo(&set, &info);
      send_int(answer.fds[1], sig);
      send_int(answer.fds[1], info.si_pid);
      send_int(answer.fds[1], getppid());
      _exit(1);
    });
    go.close_writer();
    go.pass();
  });
  ready.pass();
  go.open();
  int sig = receive_int(answer.fds[0]);
  int from = receive_int(answer.fds[0]), ppid = receive_int(answer.fds[0]);
  say("%s si_pid %d, ppid now %d", signal_name(sig).c_str(), from, ppid);
  say("%s", reap(parent).c_str());
  say("%s", reap(-1).c_str());

  // The parent is the thread that forked: its end is enough.
  in_child("thread", [] {
    static Gate armed;
    pthread_t t;
    static pid_t child;
    pthread_create(
        &t, nullptr,
        [](void*) -> void* {
          child = spawn([] {
            MUST(prctl(PR_SET_PDEATHSIG, SIGTERM));
            armed.open();
            for (;;) pause();
          });
          armed.pass();
          return nullptr;
        },
        nullptr);
    pthread_join(t, nullptr);
    say("%s", reap(child).c_str());
  });

  // Kept over exec.
  parent = spawn([&] {
    pid_t child = spawn([&] {
      MUST(prctl(PR_SET_PDEATHSIG, SIGKILL));
      execl("/bin/sleep", "sleep", "1000", nullptr);
    });
    while (slurp("/proc/" + std::to_string(child) + "/comm") != "sleep\n") sched_yield();
  });
  say("%s", reap(parent).c_str());
  say("%s", reap(-1).c_str());
}
