// The one table of system calls that warren looks at. Every call that is not in it runs at native
// speed.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "inject/layout.h"
#include "tracer/trap_condition.h"

namespace warren {

class SyscallContext;

// How a call reaches its handler.
enum class Way : std::uint8_t {
  kPtrace,  // a ptrace stop: arguments and results can be rewritten; dear
  kNotify,  // a user notification: can be answered, or let run as it is; cheap
  kRefuse,  // the filter itself answers with an errno
  // Where guests run untraced: a notification, whose handler runs again at a ptrace stop if it
  // wants what only such a stop can do. Else as kPtrace.
  kNotifyFirst,
  kNotifyUntraced,  // as kNotify where guests run untraced, else not looked at
};

// In an argument that the kernel does not read: the tracer makes the call in a guest's name
// (set_tid_address(2), rt_sigaction(2)), and it goes to the kernel.
inline constexpr std::uint32_t kOwnCall = WARREN_OWN_CALL;

// Where guests run untraced, a call of the way kPtrace is notified first; the tracer then attaches
// and lets the guest make it again with this word where the kernel does not read it, so that the
// filter makes a stop of it. A guest that says it by itself, and is not traced, gets ENOSYS.
struct TraceMark {
  static constexpr std::uint32_t kWord = WARREN_TRACE_MARK;
  int argument;
  bool upper;  // in the argument's upper half; else in its lower one
};
// The place of the mark: the sixth argument, or the upper half of a pid where there are six.
TraceMark trace_mark(int nr);

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
// The entry that a trapped call belongs to, given the way that it came, kPtrace or kNotify; null if
// none.
const SyscallEntry* find_syscall(int nr, Way way);
// As in the table; "call N" of one that is not in it.
std::string syscall_name(int nr);
// The entry whose condition the call meets, where guests run untraced; null if none.
const SyscallEntry* find_untraced_syscall(int nr, const std::array<std::uint64_t, 6>& args);

}  // namespace warren
