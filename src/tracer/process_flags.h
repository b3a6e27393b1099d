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
  // The agent is in its memory, as far as the supervisor knows.
  kAgentMapped = 32,
  // The agent cannot be mapped into it.
  kAgentRefused = 64,
  // Another process shares its memory, and not for the time of a vfork alone.
  kMemoryShared = 128,
  // No agent is ever to be mapped into it or its children: its calls pass a seccomp filter of its
  // own, which might not let it, or it is outside the container's Landlock domain.
  kNoAgent = 256,
  // Its first thread has called exit(2) while others go on.
  kLeaderEnded = 512,
  // Has made a second thread at some time: its clocks are not those of its first thread alone.
  kHadThreads = 1024,
  // Is to be traced for as long as it runs this program: signals of its may carry numbers.
  kTraced = 2048,
  // A thread of several, untraced, has called execve(2); how that ended is not known yet.
  kExecPending = 4096,
  // Its parent has died, and on the host it is another's child than here.
  kOrphaned = 8192,
  // Its agent is on its way, without stops (BootInPlace).
  kBooting = 16384,
  // An agent can come only by stops.
  kBootsByStops = 32768,
  // A thread of its is traced by another guest (GuestTrace).
  kGuestTraced = std::uintptr_t{1} << 32,
  // It traces another guest.
  kTracesGuests = std::uintptr_t{1} << 33,
  // It came by `warren exec`, or its parent did: it is outside the container's Landlock domain.
  kOutsider = std::uintptr_t{1} << 34,
  // Its agent sees what it does about signals: it has patched the sites.
  kSignalsServed = std::uintptr_t{1} << 35,
  // An init that need not be traced: its agent has what it has no handler for ignored.
  kLeftInit = std::uintptr_t{1} << 36,
  // Its program made many calls when it last ran (ProgramHabits).
  kMakesMany = std::uintptr_t{1} << 37,
};

// Numbers beside the flags.
inline constexpr int kVforksShift = 16;  // children of vfork that still use the process's memory
inline constexpr int kTrapsShift =
    24;  // calls that an agent would have served, since the last exec
inline constexpr std::uintptr_t kCounterMask = 0xff;
// The program that it runs, as ProgramHabits knows it; 0: unknown.
inline constexpr int kProgramShift = 40;
inline constexpr std::uintptr_t kProgramMask = 0xfff;

inline bool has_flag(const ThreadGroup& process, ProcessFlag flag) {
  return (reinterpret_cast<std::uintptr_t>(process.data()) & static_cast<std::uintptr_t>(flag)) !=
         0;
}

inline std::uintptr_t counter(const ThreadGroup& process, int shift) {
  return (reinterpret_cast<std::uintptr_t>(process.data()) >> shift) & kCounterMask;
}

// Whether another process can see its agent's State; for the time of a vfork, too.
inline bool memory_is_shared(const ThreadGroup& process) {
  return has_flag(process, ProcessFlag::kMemoryShared) || counter(process, kVforksShift) != 0;
}

// Whether its agent is to ask for everything, and none is to come.
inline bool is_left_alone(const ThreadGroup& process) {
  return has_flag(process, ProcessFlag::kGuestTraced) ||
         has_flag(process, ProcessFlag::kTracesGuests);
}

// Flags change seldom and are read on every path call: writers take a lock, readers none.
template <typename Change>
void change_flags(ThreadGroup& process, Change change) {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  const auto bits = reinterpret_cast<std::uintptr_t>(process.data());
  process.set_data(reinterpret_cast<void*>(change(bits)));
}

inline void set_flag(ThreadGroup& process, ProcessFlag flag, bool on = true) {
  const auto bit = static_cast<std::uintptr_t>(flag);
  change_flags(process, [&](std::uintptr_t bits) { return on ? bits | bit : bits & ~bit; });
}

}  // namespace warren
