// Fields beside the numbers stay the kernel's: masks, Uid, Threads, FDSize lines in their order.
#include <vector>

#include "harness.h"

int main() {
  block({SIGUSR1});
  signal(SIGUSR2, SIG_IGN);
  on_signal(SIGTERM, [](int) {});
  raise(SIGUSR1);
  for (const char* key : {"SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt", "Threads"})
    say("%s %s", key, status_field("/proc/self/status", key).c_str());
  // Keys in order, as procps and others parse them; what depends on the host's make is left out.
  std::string text = slurp("/proc/self/status"), keys;
  for (size_t at = 0; at < text.size();) {
    size_t colon = text.find(':', at), end = text.find('\n', at);
    keys += text.substr(at, colon - at) + " ";
    at = end + 1;
  }
  say("%s", keys.c_str());
  std::string stat = slurp("/proc/self/stat");
  int fields = 1;
  for (char c : stat) fields += c == ' ';
  say("fields of stat %d", fields);
  std::string uid = status_field("/proc/self/status", "Uid");
  say("Uid right %d", uid.rfind(std::to_string(getuid()) + " ", 0) == 0);
  for (const char* file :
       {"cmdline", "comm", "maps", "limits", "cgroup", "environ", "statm", "wchan", "oom_score",
        "mountinfo", "io", "schedstat", "sched", "smaps_rollup", "auxv", "personality"})
    say("%s readable %d", file, slurp(std::string("/proc/self/") + file).rfind("(E", 0) != 0);
  say("cmdline %s", strrchr(slurp("/proc/1/cmdline").c_str(), '/'));
  say("comm %s", slurp("/proc/1/comm").c_str());
}
