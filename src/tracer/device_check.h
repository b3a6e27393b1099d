// Device nodes under the rules of task groups (warren/device_access.h).
#pragma once

#include <sys/types.h>

#include <cstdint>

namespace warren {

class SyscallContext;

// Whether the rules of the caller's group let it open what the path names, with these flags of
// open(2) and RESOLVE_* of openat2(2). True also for what is no device, and for what the kernel
// will refuse. Costs one load where no group has rules; else a walk of the path.
//
// The kernel walks the path once more: a hostile guest that changes it in between, or changes the
// text from another thread, gets past (docs/compat.md).
bool may_open_device(SyscallContext& call, int dirfd, std::uint64_t path, int flags,
                     std::uint64_t resolve);
// The same for mknod(2).
bool may_make_device(SyscallContext& call, mode_t mode, dev_t device);

}  // namespace warren
