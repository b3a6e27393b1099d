// The numbers in /proc: readdir, getdents with small buffers, rewinddir, seekdir, stat of each.
#include <dirent.h>

#include <set>

#include "harness.h"

static std::string numbers(DIR* dir) {
  std::string out;
  while (dirent* entry = readdir(dir))
    if (isdigit(static_cast<unsigned char>(entry->d_name[0])))
      out += std::string(entry->d_name) + " ";
  return out;
}

static std::string numbers(const char* path) {
  DIR* dir = opendir(path);
  if (dir == nullptr) return errno_name(errno);
  std::string out = numbers(dir);
  closedir(dir);
  return out;
}

int main() {
  Gate go, ready;
  say("alone: %s", numbers("/proc").c_str());
  pid_t pids[4];
  for (pid_t& pid : pids) pid = spawn([&] { go.close_writer(), go.pass(); });
  say("five: %s", numbers("/proc").c_str());
  say("by another path: %s", numbers("/proc/../proc/.").c_str());
  say("through self: %s", numbers("/proc/self/..").c_str());
  in_child("seen by a child", [] { say("six: %s", numbers("/proc").c_str()); });

  DIR* dir = opendir("/proc");
  say("first: %s", numbers(dir).c_str());
  rewinddir(dir);
  say("rewound: %s", numbers(dir).c_str());
  rewinddir(dir);
  // Back to where the second number stood.
  long where = 0;
  std::string second;
  for (int seen = 0; seen < 2;) {
    long at = telldir(dir);
    dirent* entry = readdir(dir);
    if (entry == nullptr) break;
    if (!isdigit(static_cast<unsigned char>(entry->d_name[0]))) continue;
    if (++seen == 2) where = at, second = entry->d_name;
  }
  numbers(dir);
  seekdir(dir, where);
  say("sought: %s", numbers(dir).c_str());
  say("second is %s", second.c_str());
  // A process that appears or goes between two readings.
  rewinddir(dir);
  kill(pids[1], SIGKILL);
  say("%s", reap(pids[1]).c_str());
  say("one less: %s", numbers(dir).c_str());
  closedir(dir);

  // getdents64 by hand with a buffer for a few entries only: nothing twice, nothing lost.
  int fd = MUST(open("/proc", O_RDONLY | O_DIRECTORY));
  std::set<std::string> names;
  int calls = 0, twice = 0, digits = 0, dots = 0;
  char buffer[120];
  long n;
  while ((n = raw(SYS_getdents64, fd, arg(buffer), sizeof buffer)) > 0) {
    calls++;
    for (long at = 0; at < n;) {
      // ino 8, off 8, reclen 2, type 1, name
      uint16_t length;
      memcpy(&length, buffer + at + 16, 2);
      const char* name = buffer + at + 19;
      if (!names.insert(name).second) twice++;
      if (isdigit(static_cast<unsigned char>(name[0]))) {
        digits++;
        if (buffer[at + 18] != DT_DIR) say("type of %s is %d", name, buffer[at + 18]);
      }
      if (name[0] == '.') dots++;
      at += length;
    }
  }
  say("end %ld calls many %d twice %d digits %d dots %d", n, calls > 10, twice, digits, dots);
  for (const char* name :
       {"self", "thread-self", "cpuinfo", "meminfo", "stat", "mounts", "sys", "uptime"})
    if (!names.count(name)) say("no %s", name);
  say("buffer too small: %ld %s",
      raw(SYS_getdents64, (lseek(fd, 0, SEEK_SET), fd), arg(buffer), 10), errno_name(errno));
  close(fd);

  // A zombie is listed, a reaped one is not.
  siginfo_t info;
  kill(pids[0], SIGKILL);
  MUST(waitid(P_PID, static_cast<id_t>(pids[0]), &info, WEXITED | WNOWAIT));
  say("zombie: %s", numbers("/proc").c_str());
  say("%s", reap(pids[0]).c_str());
  say("reaped: %s", numbers("/proc").c_str());
  go.close_both();
}
