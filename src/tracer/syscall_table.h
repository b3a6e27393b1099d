// The one table of system calls that warren looks at. Every call that is not in it runs at native
// speed.
#pragma once

#include <cstdint>
#include <span>

#include "tracer/trap_condition.h"

namespace warren {

class SyscallContext;

// How a call reaches its handler.
enum class Way : std::uint8_t {
  kPtrace,  // a ptrace stop: arguments and results can be rewritten; dear
  kNotify,  // a user notification: can be answered, or let run as it is; cheap
  kRefuse,  // the filter itself answers with an errno
};

// Second argument, which the kernel does not read, of the set_tid_address(2) that the tracer makes
// in a guest's name; such a call goes to the kernel.
inline constexpr std::uint32_t kTellClearTid = 0x77726e21;

using SyscallHandler = void (*)(SyscallContext&);

struct SyscallEntry {
  int nr;
  const char* name;
  Way way;
  TrapCondition condition;
  SyscallHandler handler;  // null for kRefuse
  int error;               // kRefuse only
};

// Sorted by number; a number may stand more than once, with different conditions: the first whose
// condition holds wins. All entries of one number that
// come the same way have the same handler: what arrives is a number and a way, not a condition.
std::span<const SyscallEntry> syscall_table();
// The entry that a trapped call belongs to, given the way that it came; null if none.
const SyscallEntry* find_syscall(int nr, Way way);

}  // namespace warren
