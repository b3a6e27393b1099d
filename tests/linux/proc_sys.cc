// Numbers in global files: loadavg's last pid, pid_max, ns_last_pid read.
#include "harness.h"

static std::string last_word(const std::string& text) {
  size_t end = text.find_last_not_of('\n');
  size_t at = text.find_last_of(' ', end);
  return text.substr(at + 1, end - at);
}

int main() {
  say("loadavg last %s", last_word(slurp("/proc/loadavg")).c_str());
  for (int i = 0; i < 3; i++) {
    pid_t pid = spawn([] {});
    waitpid(pid, nullptr, 0);
  }
  say("loadavg last %s", last_word(slurp("/proc/loadavg")).c_str());
  say("ns_last_pid %s", slurp("/proc/sys/kernel/ns_last_pid").c_str());
  in_child("child", [] { say("ns_last_pid %s", slurp("/proc/sys/kernel/ns_last_pid").c_str()); });
  int pid_max = atoi(slurp("/proc/sys/kernel/pid_max").c_str());
  say("pid_max plausible %d", pid_max >= 301 && pid_max <= 4194304);
  struct stat st;
  SHOW(stat("/proc/sys/kernel/pid_max", &st));
  SHOW(access("/proc/sys/kernel/ns_last_pid", R_OK));
  say("text shape %d", [] {
    std::string text = slurp("/proc/loadavg");
    int blanks = 0;
    for (char c : text) blanks += c == ' ';
    return blanks == 4 && text.back() == '\n';
  }());
}
