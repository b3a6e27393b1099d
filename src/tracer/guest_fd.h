// Descriptors of guests.
#pragma once

#include <sys/types.h>

#include "base/unique_fd.h"
#include "warren/result.h"

namespace warren {

// A descriptor of ours for the open file that is `fd` in the task. EBADF, ESRCH, EMFILE.
// Any thread, while the task waits in its call.
Result<UniqueFd> guest_fd(pid_t tid, int fd);

// The process (host number) that a pidfd stands for. EBADF: not a pidfd. ESRCH: it is reaped.
Result<pid_t> pidfd_target(int pidfd);

}  // namespace warren
