// Processor masks of the kernel's (sched_setaffinity(2)), of any length, as sets.
#pragma once

#include <sys/types.h>

#include <span>
#include <vector>

#include "warren/group_host.h"
#include "warren/result.h"

namespace warren::cpu_mask {

// Bit n of the mask is processor n.
CpuSet from_bytes(std::span<const unsigned char> mask);
// At least `size` bytes, a multiple of eight.
std::vector<unsigned char> to_bytes(const CpuSet& cpus, std::size_t size = 0);
// Of a thread; 0: the caller. Errors: as sched_getaffinity(2).
Result<CpuSet> of_task(pid_t tid);
// Errors: as sched_setaffinity(2).
Result<void> set(pid_t tid, const CpuSet& cpus);

}  // namespace warren::cpu_mask
