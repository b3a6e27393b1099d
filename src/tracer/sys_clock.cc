// Clocks of other tasks' processor time.
#include <climits>
#include <ctime>

#include "tracer/handlers.h"
#include "tracer/runtime.h"
#include "tracer/syscall_context.h"

namespace warren {

namespace {
// The lower bits of a clock that is a device, whose upper bits are a descriptor (clock_gettime(2)).
constexpr int kClockOfDescriptor = 3;
constexpr int kClockBits = 3;

// A clock as the guest names it (clock_getcpuclockid(3), pthread_getcpuclockid(3)), as the host
// knows it: its upper bits are the complement of a number, 0 for the caller itself, the lower three
// say what is counted. Others stay as they are; one of nobody becomes one that is invalid for the
// host too.
clockid_t clock_to_host(const SyscallContext& call, clockid_t clock) {
  const int what = clock & ((1 << kClockBits) - 1);
  if (clock >= 0 || what == kClockOfDescriptor) return clock;
  const int nr = ~(clock >> kClockBits);
  if (nr == 0) return clock;
  const pid_t host = call.runtime().to_host(*call.task().ns(), nr);
  return static_cast<clockid_t>(
      (~static_cast<unsigned>(host != 0 ? host : INT_MAX >> kClockBits) << kClockBits) |
      static_cast<unsigned>(what));
}

}  // namespace

// clock_gettime(2) and its kin. A thread's clock can be read only from within its process, so the
// call is the guest's own.
void sys_clock(SyscallContext& call) {
  const auto clock = static_cast<clockid_t>(call.int_arg(0));
  if (const clockid_t host = clock_to_host(call, clock); host != clock) {
    call.set_arg(0, static_cast<std::uint64_t>(static_cast<std::int64_t>(host)));
  }
}

}  // namespace warren
