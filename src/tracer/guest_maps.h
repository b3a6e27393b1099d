// What a process has mapped where. proc(5), /proc/PID/maps.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/unique_fd.h"

namespace warren {

struct GuestMapping {
  std::uint64_t begin, end, offset;
  unsigned major, minor;
  ino_t inode;       // 0: of no file
  std::string mode;  // as `r-xp`
  std::string path;  // as the kernel shows it; of no file: empty, or a name like `[heap]`

  bool is_private_text() const { return mode == "r-xp"; }
};

// Why a class: what is asked about one process is asked of one descriptor, which costs more than a
// question (Linux 6.11; before, each question reads all of the text). Any thread.
class GuestMaps {
 public:
  // Where the process is gone, or not ours to look at, nothing is mapped.
  explicit GuestMaps(pid_t pid);

  // What can be executed, by address.
  std::vector<GuestMapping> texts() const;
  // Whether nothing is mapped there.
  bool is_free(std::uint64_t begin, std::uint64_t end) const;

 private:
  UniqueFd file_;
};

}  // namespace warren
