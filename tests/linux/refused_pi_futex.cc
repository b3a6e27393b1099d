// oracle: expected
// PI futexes hold numbers that the kernel compares with its own: ENOSYS, which libc passes on as
// "not supported" when the mutex is made or first locked. Common futexes work.
#include <linux/futex.h>
#include <pthread.h>

#include "harness.h"

int main() {
  int word = 0;
  SHOW(raw(SYS_futex, arg(&word), FUTEX_LOCK_PI, 0, 0));
  SHOW(raw(SYS_futex, arg(&word), FUTEX_LOCK_PI | FUTEX_PRIVATE_FLAG, 0, 0));
  SHOW(raw(SYS_futex, arg(&word), FUTEX_TRYLOCK_PI, 0, 0));
  SHOW(raw(SYS_futex, arg(&word), FUTEX_UNLOCK_PI, 0, 0));
  SHOW(raw(SYS_futex, arg(&word), FUTEX_WAIT_REQUEUE_PI, 0, 0, arg(&word)));
  SHOW(raw(SYS_futex, arg(&word), FUTEX_CMP_REQUEUE_PI, 1, 0, arg(&word)));
  say("word %d", word);
  SHOW(raw(SYS_futex, arg(&word), FUTEX_WAIT, 1, 0));
  SHOW(raw(SYS_futex, arg(&word), FUTEX_WAKE, 1));
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
  pthread_mutex_t mutex;
  say("init %s", errno_name(pthread_mutex_init(&mutex, &attributes)));
}
