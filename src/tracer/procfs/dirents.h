// Listings of the two directories of procfs whose names are numbers: /proc and /proc/PID/task.
#pragma once

#include <cstddef>
#include <vector>

#include "tracer/procfs/view.h"
#include "warren/result.h"

namespace warren::procfs {

enum class DirentLayout { kDirent, kDirent64 };  // getdents(2), getdents64(2)

// The next entries of /proc for a buffer of `size` bytes, from the position of `dirfd` on, which is
// moved. Positions are the kernel's: static names, then self at 256, thread-self, and number n at
// 258 + n, so that a listing goes on where it was, whoever comes or goes meanwhile. Empty at the
// end. EINVAL: the buffer is too small for one entry.
Result<std::vector<char>> list_processes(int dirfd, size_t size, DirentLayout layout,
                                         const ProcView& view);

// Likewise /proc/PID/task; thread n stands at position 2 + n. ENOENT: the process is gone.
Result<std::vector<char>> list_threads(int dirfd, int host_tgid, size_t size, DirentLayout layout,
                                       const ProcView& view);

}  // namespace warren::procfs
