// exec by a thread that is not the leader: it takes the leader's number, the others are gone.
#include <pthread.h>

#include "harness.h"

static std::string program;

int main(int argc, char**) {
  char path[4096] = {};
  MUST(readlink("/proc/self/exe", path, sizeof path - 1));
  program = path;
  if (argc > 1) {
    say("after exec: pid %d tid %ld ppid %d threads %s", getpid(), raw(SYS_gettid), getppid(),
        status_field("/proc/self/status", "Threads").c_str());
    say("child from before: %s", reap(-1).c_str());
    return getpid() == 1 ? 0 : 3;
  }
  in_child("exec by a thread", [] {
    spawn([] { _exit(9); });
    pthread_t others[3], last;
    for (pthread_t& t : others)
      pthread_create(
          &t, nullptr,
          [](void*) -> void* {
            for (;;) pause();
          },
          nullptr);
    pthread_create(
        &last, nullptr,
        [](void*) -> void* {
          say("thread: pid %d tid %ld", getpid(), raw(SYS_gettid));
          execl("/proc/self/exe", "exec_thread", "x", nullptr);
          return nullptr;
        },
        nullptr);
    for (;;) pause();
  });
  in_child("next number", [] { SHOW(getpid()); });

  // The leader has ended before its thread execs.
  in_child("exec after the leader's end", [] {
    spawn([] { _exit(9); });
    pthread_t t;
    pthread_create(
        &t, nullptr,
        [](void*) -> void* {
          until_state(getpid(), "Z");
          say("thread: pid %d tid %ld", getpid(), raw(SYS_gettid));
          // /proc/self/exe leads nowhere once the leader is gone.
          execl(program.c_str(), "exec_thread", "x", nullptr);
          say("exec: %s", errno_name(errno));
          return nullptr;
        },
        nullptr);
    raw(SYS_exit, 0);
  });

  // A failed exec by a thread leaves the others alone.
  in_child("failed exec by a thread", [] {
    pthread_t t;
    pthread_create(
        &t, nullptr,
        [](void*) -> void* {
          execl("/nonexistent", "x", nullptr);
          say("%s, tid %ld", errno_name(errno), raw(SYS_gettid));
          return nullptr;
        },
        nullptr);
    pthread_join(t, nullptr);
    say("leader alive: pid %d", getpid());
  });

  // By the namespace's init itself.
  spawn([] { _exit(9); });
  pthread_t t;
  pthread_create(
      &t, nullptr,
      [](void*) -> void* {
        execl("/proc/self/exe", "exec_thread", "x", nullptr);
        return nullptr;
      },
      nullptr);
  for (;;) pause();
}
