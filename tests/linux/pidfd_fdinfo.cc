// /proc/self/fdinfo of a pidfd: Pid and NSpid, -1 once it is reaped.
#include "harness.h"

static std::string field(const std::string& text, const std::string& key) {
  size_t at = text.find(key + ":");
  if (at == std::string::npos) return "(none)";
  at += key.size() + 1;
  std::string value = text.substr(at, text.find('\n', at) - at);
  for (char& c : value)
    if (c == '\t') c = ' ';
  return value;
}

int main() {
  Gate go;
  pid_t child = spawn([&] { go.close_writer(), go.pass(); });
  int fd = MUST(static_cast<int>(raw(SYS_pidfd_open, child, 0)));
  std::string path = "/proc/self/fdinfo/" + std::to_string(fd);
  for (const char* when : {"alive", "zombie", "reaped"}) {
    std::string text = slurp(path);
    say("%s: Pid%s NSpid%s", when, field(text, "Pid").c_str(), field(text, "NSpid").c_str());
    if (strcmp(when, "alive") == 0) {
      go.open();
      siginfo_t info;
      MUST(waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT));
    } else if (strcmp(when, "zombie") == 0) {
      say("%s", reap(child).c_str());
    }
  }
  say("same by pid: %d", slurp("/proc/1/fdinfo/" + std::to_string(fd)) == slurp(path));
}
