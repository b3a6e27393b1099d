// What a process has mapped where. proc(5), /proc/PID/maps.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace warren {

struct GuestMapping {
  std::uint64_t begin, end, offset;
  unsigned major, minor;
  ino_t inode;       // 0: of no file
  std::string mode;  // as `r-xp`
  std::string path;  // as the kernel shows it; of no file: empty, or a name like `[heap]`

  bool is_private_text() const { return mode == "r-xp"; }
};

// By address; empty where the process is gone, or not ours to look at. Any thread.
std::vector<GuestMapping> read_guest_maps(pid_t pid);

}  // namespace warren
