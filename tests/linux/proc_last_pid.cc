// differs: what is written to a sysctl is judged at the next fork (docs/compat.md)
// oracle: privileged
// Writing ns_last_pid sets what the next fork gets.
#include "harness.h"

static void set(const char* text) {
  int fd = open("/proc/sys/kernel/ns_last_pid", O_WRONLY);
  if (fd < 0) {
    say("open: %s", errno_name(errno));
    return;
  }
  ssize_t n = write(fd, text, strlen(text));
  say("write %s: %zd %s", text, n, n < 0 ? errno_name(errno) : "");
  close(fd);
}

int main() {
  set("499");
  in_child("next", [] {});
  in_child("next", [] {});
  set("9");
  in_child("next", [] {});
  set("0");
  in_child("next", [] {});
  set("-1");
  set("99999999");
  in_child("next", [] {});
}
