// exit of single threads and exit_group: which status the parent sees, and when.
#include <pthread.h>

#include "harness.h"

template <typename F>
static void thread(F f) {
  static F* body;
  body = new F(f);
  pthread_t t;
  pthread_create(
      &t, nullptr,
      [](void* p) -> void* {
        (*static_cast<F*>(p))();
        return nullptr;
      },
      body);
}

int main() {
  in_child("exit_group by a thread", [] {
    thread([] { _exit(31); });
    for (;;) pause();
  });
  in_child("last thread's exit code does not count, the leader's does", [] {
    thread([] {
      until_state(getpid(), "Z");
      raw(SYS_exit, 33);
    });
    raw(SYS_exit, 32);
  });
  in_child("a thread's own exit", [] {
    static Gate done;
    thread([] {
      done.open();
      raw(SYS_exit, 34);
    });
    done.pass();
    return 35;
  });
  in_child("a thread gets a signal: all die", [] {
    thread([] { raw(SYS_tkill, raw(SYS_gettid), SIGTERM); });
    for (;;) pause();
  });
  in_child("abort in a thread", [] {
    rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    thread([] { abort(); });
    for (;;) pause();
  });
  in_child("segfault in a thread", [] {
    rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    static volatile int* volatile nowhere = reinterpret_cast<volatile int*>(uintptr_t{8});
    thread([] { *nowhere = 1; });
    for (;;) pause();
  });
  // A process whose leader is gone is not waitable before its last thread is.
  Gate go;
  pid_t pid = spawn([&] {
    thread([&] {
      go.close_writer();
      go.pass();
      raw(SYS_exit, 0);
    });
    raw(SYS_exit, 36);
  });
  until_state(pid, "Z");
  say("leader gone: %s", reap(pid, WNOHANG).c_str());
  SHOW(kill(pid, 0));
  say("state %s threads %s", stat_field("/proc/" + std::to_string(pid) + "/stat", 3).c_str(),
      status_field("/proc/" + std::to_string(pid) + "/status", "Threads").c_str());
  go.open();
  say("%s", reap(pid).c_str());
  in_child("exit codes are eight bits", [] { _exit(0x1234); });
  in_child("negative", [] { _exit(-1); });
  // The thread numbers came out of the same sequence.
  in_child("next", [] {});
}
