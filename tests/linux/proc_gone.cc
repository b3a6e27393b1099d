// differs: an open file of /proc/PID is a snapshot (docs/compat.md)
// A descriptor of a process's directory after that process is gone: ESRCH, and never another's.
#include "harness.h"

int main() {
  below_init([] {
    Gate go;
    pid_t child = spawn([&] { go.close_writer(), go.pass(); });
    std::string base = "/proc/" + std::to_string(child);
    int dir = MUST(open(base.c_str(), O_RDONLY | O_DIRECTORY));
    int stat_fd = MUST(open((base + "/stat").c_str(), O_RDONLY));
    int status_fd = MUST(open((base + "/status").c_str(), O_RDONLY));
    char buffer[4096];
    SHOW(read(stat_fd, buffer, 1) == 1);
    go.open();
    say("%s", reap(child).c_str());
    SHOW(lseek(stat_fd, 0, SEEK_SET));
    SHOW(read(stat_fd, buffer, 100));
    SHOW(read(status_fd, buffer, 100));
    SHOW(openat(dir, "stat", O_RDONLY));
    SHOW(fchdir(dir));
    SHOW(raw(SYS_getdents64, dir, arg(buffer), sizeof buffer));
    SHOW(open(base.c_str(), O_RDONLY));
  });
}
