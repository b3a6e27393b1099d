// timeout: 60
// Processes that fork and end as fast as they can, from several parents at once: every child is
// reaped exactly once, by whom it should be, and no number is in use twice at one time.
#include "harness.h"

int main() {
  // Number in use: a counter for each in memory that all share.
  auto* in_use = static_cast<unsigned char*>(
      mmap(nullptr, 65536, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  auto* wrong = reinterpret_cast<int*>(in_use + 65532);
  for (int i = 0; i < 6; i++)
    spawn([&] {
      for (int round = 0; round < 60; round++) {
        pid_t pids[3];
        for (pid_t& pid : pids)
          pid = spawn([&] {
            if (__atomic_add_fetch(&in_use[getpid() & 0xffff], 1, __ATOMIC_SEQ_CST) != 1)
              __atomic_add_fetch(wrong, 1, __ATOMIC_SEQ_CST);
            if (getppid() == 0) __atomic_add_fetch(wrong, 1, __ATOMIC_SEQ_CST);
            _exit(getpid() & 0x7f);
          });
        for (pid_t pid : pids) {
          int status;
          if (waitpid(pid, &status, 0) != pid || WEXITSTATUS(status) != (pid & 0x7f))
            __atomic_add_fetch(wrong, 1, __ATOMIC_SEQ_CST);
        }
      }
    });
  int ended = 0, status;
  while (wait(&status) > 0) ended += status == 0;
  say("parents %d wrong %d", ended, *wrong);
  int numbers = 0;
  for (int i = 0; i < 65000; i++) numbers += in_use[i] != 0;
  say("numbers %d", numbers);
  in_child("next", [] {});
}
