#include "tracer/guest_maps.h"

#include <cstdio>

namespace warren {

std::vector<GuestMapping> read_guest_maps(pid_t pid) {
  std::vector<GuestMapping> maps;
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/maps", pid);
  FILE* const file = std::fopen(path, "re");
  if (!file) return maps;
  char line[4096 + 128];
  while (std::fgets(line, sizeof line, file)) {
    unsigned long begin = 0;
    unsigned long end = 0;
    unsigned long offset = 0;
    unsigned long inode = 0;
    unsigned major = 0;
    unsigned minor = 0;
    int name = 0;
    char mode[5];
    if (std::sscanf(line, "%lx-%lx %4s %lx %x:%x %lu %n", &begin, &end, mode, &offset, &major,
                    &minor, &inode, &name) < 7) {
      continue;
    }
    std::string shown(name != 0 ? line + name : "");
    if (!shown.empty() && shown.back() == '\n') shown.pop_back();
    maps.push_back({begin, end, offset, major, minor, inode, mode, std::move(shown)});
  }
  std::fclose(file);
  return maps;
}

}  // namespace warren
