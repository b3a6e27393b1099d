// A guest's memory where it cannot write itself: its program's text.
#pragma once

#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>

#include "base/unique_fd.h"

namespace warren {

// The address space that a task has now, and no later one. What is written becomes a page of its
// own. False: nothing is mapped there; it is a shared mapping's; the host lets nobody write so
// (proc_mem.force_override); or the space is gone.
class GuestText {
 public:
  explicit GuestText(pid_t tid) {
    char path[64];
    std::snprintf(path, sizeof path, "/proc/%d/mem", tid);
    memory_.reset(open(path, O_RDWR | O_CLOEXEC));
  }
  bool read(std::uint64_t address, void* bytes, std::size_t size) const {
    return memory_.ok() && pread(memory_.get(), bytes, size, static_cast<off_t>(address)) ==
                               static_cast<ssize_t>(size);
  }
  bool write(std::uint64_t address, const void* bytes, std::size_t size) const {
    return memory_.ok() && pwrite(memory_.get(), bytes, size, static_cast<off_t>(address)) ==
                               static_cast<ssize_t>(size);
  }

 private:
  UniqueFd memory_;
};

}  // namespace warren
