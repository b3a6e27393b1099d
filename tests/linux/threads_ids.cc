// Thread numbers: gettid, getpid in threads, pthread's own, the task directory, join and reuse.
#include <dirent.h>
#include <pthread.h>

#include "harness.h"

static std::string tasks(const std::string& path) {
  std::string out;
  DIR* dir = opendir(path.c_str());
  if (dir == nullptr) return errno_name(errno);
  while (dirent* entry = readdir(dir))
    if (entry->d_name[0] != '.') out += std::string(entry->d_name) + " ";
  closedir(dir);
  return out;
}

int main() {
  below_init([] {
    Gate ready, go;
    struct Shared {
      Gate &ready, &go;
      int tid[8];
    } shared = {ready, go, {}};
    struct Arg {
      Shared* shared;
      int index;
    } args[8];
    pthread_t threads[8];
    for (int i = 0; i < 8; i++) {
      args[i] = {&shared, i};
      pthread_create(
          &threads[i], nullptr,
          [](void* p) -> void* {
            Arg* a = static_cast<Arg*>(p);
            say("thread %d: gettid %ld getpid %d getppid %d getpgrp %d", a->index, raw(SYS_gettid),
                getpid(), getppid(), getpgrp());
            a->shared->tid[a->index] = static_cast<int>(raw(SYS_gettid));
            a->shared->ready.open();
            a->shared->go.pass();
            return nullptr;
          },
          &args[i]);
      ready.pass();
    }
    say("tasks: %s", tasks("/proc/self/task").c_str());
    say("tasks of 2: %s", tasks("/proc/2/task").c_str());
    // A thread's number is a directory in /proc too, though the listing leaves it out.
    say("Tgid %s Pid %s", status_field("/proc/5/status", "Tgid").c_str(),
        status_field("/proc/5/status", "Pid").c_str());
    SHOW(getpgid(5));
    SHOW(getsid(5) == getsid(0));
    SHOW(setpgid(5, 0));
    SHOW(raw(SYS_tgkill, 2, 5, 0));
    SHOW(raw(SYS_tgkill, 5, 5, 0));
    SHOW(raw(SYS_tgkill, 1, 5, 0));
    SHOW(raw(SYS_tkill, 5, 0));
    SHOW(kill(5, 0));
    say("wait for a thread: %s", reap(5).c_str());
    for (int i = 0; i < 8; i++) go.open();
    for (pthread_t t : threads) pthread_join(t, nullptr);
    SHOW(raw(SYS_gettid));
    in_child("after the threads", [] { SHOW(getpid()); });
    // A fork by a thread: the child is a process with one thread.
    pthread_t t;
    pthread_create(
        &t, nullptr,
        [](void*) -> void* {
          in_child("forked by a thread", [] {
            say("gettid %ld getpid %d getppid %d tasks %s", raw(SYS_gettid), getpid(), getppid(),
                tasks("/proc/self/task").c_str());
          });
          return nullptr;
        },
        nullptr);
    pthread_join(t, nullptr);
  });
}
