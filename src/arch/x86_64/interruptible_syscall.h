// A system call that a signal can interrupt without a lost wake-up.
#pragma once

#include <ucontext.h>

#include <atomic>

namespace warren::arch {

// Makes the call, unless *cancel is nonzero, checked as the last thing before the kernel is
// entered: then, or when a signal arrives while it waits, -EINTR. The signal's handler must call
// leave_interruptible_syscall(). Returns the kernel's result, -errno on failure.
long interruptible_syscall(const std::atomic<int>* cancel, long nr, long a0, long a1, long a2,
                           long a3);

// For the signal handler: if the signal arrived between the check of *cancel and the kernel, makes
// the call return -EINTR instead of going to sleep. Async-signal-safe.
void leave_interruptible_syscall(ucontext_t* context);

}  // namespace warren::arch
