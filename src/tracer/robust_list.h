// Robust mutexes of a thread that dies (get_robust_list(2)).
#pragma once

#include <sys/types.h>

#include "warren/types.h"

namespace warren {

// At a thread's death the host's kernel marks the robust mutexes that it holds, which it knows by
// the host's thread id in their words. A guest's libc wrote the number that the guest knows. Puts
// the host's number into the words that carry `vnr`, so that the kernel does its own work. The
// thread must be stopped, or wait, short of its death. Any thread may call.
void mend_robust_list(pid_t tid, Nr vnr);
// Whether the thread holds any robust mutex.
bool holds_robust_mutex(pid_t tid);

}  // namespace warren
