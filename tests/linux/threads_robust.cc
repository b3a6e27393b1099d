// Robust mutexes: the owner's thread ends, the owner's process is killed, the owner execs.
#include <pthread.h>

#include "harness.h"

static pthread_mutex_t* shared_mutex() {
  auto* mutex = static_cast<pthread_mutex_t*>(
      mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_mutex_init(mutex, &attributes);
  return mutex;
}

static void lock_after(const char* what, pthread_mutex_t* mutex) {
  int e = pthread_mutex_lock(mutex);
  say("%s: lock %s", what, e ? errno_name(e) : "ok");
  if (e == EOWNERDEAD) {
    say("  consistent %d", pthread_mutex_consistent(mutex));
    say("  unlock %d", pthread_mutex_unlock(mutex));
    say("  lock %d", pthread_mutex_lock(mutex));
  }
  say("  unlock %d", pthread_mutex_unlock(mutex));
}

int main() {
  pthread_mutex_t* mutex = shared_mutex();
  pthread_t t;
  pthread_create(
      &t, nullptr,
      [](void* p) -> void* {
        pthread_mutex_lock(static_cast<pthread_mutex_t*>(p));
        return nullptr;
      },
      mutex);
  pthread_join(t, nullptr);
  lock_after("thread ended", mutex);

  in_child("holder exits", [&] { pthread_mutex_lock(mutex); });
  lock_after("process exited", mutex);

  Gate held;
  pid_t holder = spawn([&] {
    pthread_mutex_lock(mutex);
    held.open();
    for (;;) pause();
  });
  held.pass();
  say("trylock while held: %s", errno_name(pthread_mutex_trylock(mutex)));
  MUST(kill(holder, SIGKILL));
  say("%s", reap(holder).c_str());
  lock_after("process killed", mutex);

  // A thread of a process with several: killed with a waiter asleep on the lock.
  Gate waiting;
  holder = spawn([&] {
    pthread_t inner;
    pthread_create(
        &inner, nullptr,
        [](void* p) -> void* {
          pthread_mutex_lock(static_cast<pthread_mutex_t*>(p));
          for (;;) pause();
        },
        mutex);
    for (;;) {
      if (pthread_mutex_trylock(mutex) == EBUSY) break;
      pthread_mutex_unlock(mutex);
      sched_yield();
    }
    held.open();
    for (;;) pause();
  });
  held.pass();
  pid_t waiter = spawn([&] {
    waiting.open();
    lock_after("waiter", mutex);
  });
  waiting.pass();
  until_state(waiter, "S");
  MUST(kill(holder, SIGKILL));
  say("%s", reap(waiter).c_str());
  say("%s", reap(holder).c_str());

  in_child("holder execs", [&] {
    pthread_mutex_lock(mutex);
    execl("/bin/true", "true", nullptr);
  });
  lock_after("process execed", mutex);

  // Not made consistent: not recoverable ever after.
  in_child("holder exits", [&] { pthread_mutex_lock(mutex); });
  int e = pthread_mutex_lock(mutex);
  say("lock %s", errno_name(e));
  pthread_mutex_unlock(mutex);
  say("lock %s", errno_name(pthread_mutex_lock(mutex)));

  // Several held at once.
  pthread_mutex_t* many[5];
  for (auto& m : many) m = shared_mutex();
  in_child("holder of five", [&] {
    for (auto& m : many) pthread_mutex_lock(m);
    raise(SIGKILL);
  });
  for (auto& m : many) lock_after("one of five", m);
}
