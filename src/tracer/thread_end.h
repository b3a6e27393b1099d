// Threads that have asked to end. The tracer hears of a thread's death a moment after those who
// joined it went on, so such a thread counts as gone from the time it called exit(2).
#pragma once

#include <cstdint>

#include "warren/kernel.h"

namespace warren {

// The embedder's slot of a task holds the address of set_tid_address(2) (sys_id.cc), which is that
// of an aligned int, or this.
inline constexpr std::uintptr_t kThreadEnding = 1;

// A leader stays, as the process's zombie if need be.
inline void mark_thread_ending(Task& task) {
  if (!task.is_leader()) task.set_data(reinterpret_cast<void*>(kThreadEnding));
}

inline bool thread_is_ending(const Task& task) {
  return !task.is_leader() && reinterpret_cast<std::uintptr_t>(task.data()) == kThreadEnding;
}

}  // namespace warren
