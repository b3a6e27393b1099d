// Facts about a process that threads of the supervisor share without a lock: bits in the engine's
// embedder slot of its thread group. A child inherits them at fork.
#pragma once

#include <cstdint>
#include <mutex>

#include "warren/kernel.h"

namespace warren {

enum class ProcessFlag : std::uintptr_t {
  // Has, or may have inherited, a descriptor or working directory inside procfs: relative paths of
  // its may lead there.
  kProcTainted = 1,
  // Wrote to memory that other processes share: may hold robust mutexes that they wait for.
  kSharesMemory = 2,
  // Asked not to be dumpable. Really so, its memory would be closed to the supervisor as well; so
  // the kernel is not told.
  kNotDumpable = 4,
  // Stopped by a job-control signal. Under ptrace the host shows such a process as traced.
  kGroupStopped = 8,
  // Has taken a signal that tells of its parent's death, of which the tracer may not know yet.
  kParentDied = 16,
};

inline bool has_flag(const ThreadGroup& process, ProcessFlag flag) {
  return (reinterpret_cast<std::uintptr_t>(process.data()) & static_cast<std::uintptr_t>(flag)) !=
         0;
}

// Flags change seldom and are read on every path call: writers take a lock, readers none.
inline void set_flag(ThreadGroup& process, ProcessFlag flag, bool on = true) {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  const auto bits = reinterpret_cast<std::uintptr_t>(process.data());
  const auto bit = static_cast<std::uintptr_t>(flag);
  process.set_data(reinterpret_cast<void*>(on ? bits | bit : bits & ~bit));
}

}  // namespace warren
