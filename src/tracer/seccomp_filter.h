// The seccomp filter of a container, made from the table of system calls.
#pragma once

#include <linux/filter.h>

#include <span>
#include <vector>

#include "tracer/loader_calls.h"
#include "tracer/syscall_table.h"
#include "warren/result.h"

namespace warren {

// The program for SECCOMP_SET_MODE_FILTER. 32-bit and x32 entry, which would go round it, are
// answered with ENOSYS. A call that is not in the table costs nothing beyond the kernel's own
// bitmap of calls that are always let through; one that is, a binary search. `agent_paths`: guests
// have an agent, which looks at paths; `loader`: calls that nobody need look at then. `untraced`:
// they run untraced as a rule; it makes their forks and waits, and what needs a stop is notified
// first (TraceMark).
std::vector<sock_filter> build_seccomp_filter(std::span<const SyscallEntry> table, bool agent_paths,
                                              bool untraced,
                                              std::span<const LoaderCall> loader = {});

// Installs the filter in the calling thread, which must have no_new_privs set, and returns its
// listener. Async-signal-safe. Errors: as seccomp(2).
Result<int> install_seccomp_filter(std::span<const sock_filter> program);

// Prepares a listener for serving: asks for wake-ups on the notifier's own core (Linux 6.6), which
// make a notification some four times cheaper. False where the host cannot.
bool set_synchronous_wakeup(int listener, bool on);

}  // namespace warren
