// oracle: privileged
// timeout: 120
// The allocator wraps at pid_max to 300, leaving out what is alive.
#include "harness.h"

int main() {
  Gate go;
  pid_t early = spawn([&] { go.close_writer(), go.pass(); });
  int pid_max = atoi(slurp("/proc/sys/kernel/pid_max").c_str());
  int fd = MUST(open("/proc/sys/kernel/ns_last_pid", O_WRONLY));
  std::string text = std::to_string(pid_max - 3);
  MUST(write(fd, text.data(), text.size()));
  for (int i = 0; i < 5; i++) {
    pid_t pid = spawn([] {});
    say("pid_max%+d or %d", pid < 1000 ? 0 : pid - pid_max, pid < 1000 ? pid : 0);
    waitpid(pid, nullptr, 0);
  }
  go.open();
  say("%s", reap(early).c_str());
}
