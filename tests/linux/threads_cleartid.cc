// CLONE_CHILD_CLEARTID in a thread made by hand: the word holds its number, then zero, with a wake.
#include <linux/futex.h>

#include "harness.h"

static int word, seen_word, seen_parent_word, parent_word;
static long seen_tid;

static int body(void*) {
  seen_tid = raw(SYS_gettid);
  seen_word = word;
  seen_parent_word = parent_word;
  return 0;
}

int main() {
  for (int i = 0; i < 3; i++) {
    char* stack = static_cast<char*>(mmap(nullptr, 65536, PROT_READ | PROT_WRITE,
                                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0));
    word = -1;
    parent_word = -1;
    // libc's clone wrapper sets up no TLS of its own here, and the body uses none.
    int tid =
        clone(body, stack + 65536,
              CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
                  CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID,
              nullptr, &parent_word, nullptr, &word);
    if (tid < 0) {
      say("clone: %s", errno_name(errno));
      return 1;
    }
    for (;;) {
      int value = __atomic_load_n(&word, __ATOMIC_ACQUIRE);
      if (value == 0) break;
      raw(SYS_futex, arg(&word), FUTEX_WAIT, value, 0);
    }
    say("tid %d: gettid %ld child word %d parent word %d, in the end %d", tid, seen_tid, seen_word,
        seen_parent_word, word);
  }
}
