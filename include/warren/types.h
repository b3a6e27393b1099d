// The small types that every header of libwarren shares.
#pragma once

#include <cstdint>

namespace warren {

// The number of a Pid in one namespace. 0 stands for "none" or "not visible from there"; a number
// means nothing without its namespace. `nr` names one in a given namespace, `vnr` one in the
// namespace of the task that is asked.
using Nr = std::int32_t;

// What a Pid is used for. A Pid, and so its numbers, lives while any of the four is in use.
enum class PidType { kPid, kTgid, kPgid, kSid };

// Numbers below this are given once only, before the first wrap (Linux: RESERVED_PIDS).
inline constexpr Nr kReservedPids = 300;
// The default limit of a namespace (Linux: PID_MAX_LIMIT on 64 bits). Numbers are below it.
inline constexpr Nr kPidMaxDefault = 4 * 1024 * 1024;
// The largest limit that may be set: a thread id must fit a futex word's 30 bits (futex(2)).
inline constexpr Nr kPidMaxCeiling = 1 << 30;

class Kernel;
class Pid;
class PidNamespace;
class Task;
class ThreadGroup;

}  // namespace warren
