// Robust mutexes of a thread that dies (get_robust_list(2)).
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "warren/types.h"

namespace warren {

// At a thread's death the host's kernel marks the robust mutexes that it holds, which it knows by
// the host's thread id in their words. A guest's libc wrote the number that the guest knows. Puts
// the host's number into the words that carry `vnr`, so that the kernel does its own work. The
// thread must be stopped, or wait, short of its death. Any thread may call.
void mend_robust_list(pid_t tid, Nr vnr);
// The same for a thread that lives on under another number: `to` in the place of `from`.
void rewrite_robust_list(pid_t tid, Nr from, Nr to);
// And for a list at `head` that its libc keeps to itself, with the word of a mutex at `offset` from
// its link.
void rewrite_untold_list(pid_t tid, std::uint64_t head, std::int64_t offset, Nr from, Nr to);
// Whether the thread holds any robust mutex.
bool holds_robust_mutex(pid_t tid);

}  // namespace warren
