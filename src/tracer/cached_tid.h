// The number of a thread that its libc keeps in memory (struct pthread's tid, musl's, Go's procid),
// for mutexes, raise(3) and pthread_kill(3).
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>

#include "warren/types.h"

namespace warren {

struct CachedTid {
  // Of the thread; 0: not known.
  std::uint64_t thread_pointer = 0;
  // Addresses at which the thread's number was to be written or cleared (clone(2),
  // set_tid_address(2)), best first: with glibc and its kin that is its place. 0: none.
  std::array<std::uint64_t, 2> told{};
};

// Puts `to` where the thread's libc has `from`, and nothing anywhere else. A program without a libc
// that is known here keeps no number, as far as anybody can tell. The thread must stand still. Any
// thread may call.
void rewrite_cached_tid(pid_t tid, const CachedTid& place, Nr from, Nr to);

}  // namespace warren
