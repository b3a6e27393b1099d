// A descriptor of the directory /proc/PID serves pidfd_send_signal as a pidfd does; killall uses
// it.
#include "harness.h"

int main() {
  pid_t child = spawn([] {
    for (;;) pause();
  });
  std::string path = "/proc/" + std::to_string(child);
  int dir = MUST(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  SHOW(raw(SYS_pidfd_send_signal, dir, 0, 0, 0));
  int task = MUST(open((path + "/task/" + std::to_string(child)).c_str(), O_RDONLY | O_DIRECTORY));
  SHOW(raw(SYS_pidfd_send_signal, task, 0, 0, 0));
  int file = MUST(open((path + "/stat").c_str(), O_RDONLY));
  SHOW(raw(SYS_pidfd_send_signal, file, 0, 0, 0));
  int proc = MUST(open("/proc", O_RDONLY | O_DIRECTORY));
  SHOW(raw(SYS_pidfd_send_signal, proc, 0, 0, 0));
  SHOW(raw(SYS_pidfd_send_signal, dir, SIGTERM, 0, 0));
  say("%s", reap(child).c_str());
  SHOW(raw(SYS_pidfd_send_signal, dir, SIGTERM, 0, 0));
}
