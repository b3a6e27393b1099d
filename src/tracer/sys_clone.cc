// fork(2), vfork(2), clone(2), clone3(2): read what is asked for; tracer/fork.h does it.
#include <linux/sched.h>
#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "tracer/handlers.h"
#include "tracer/syscall_context.h"

#ifndef CLONE_CLEAR_SIGHAND
#define CLONE_CLEAR_SIGHAND 0x100000000ULL
#endif
#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP 0x200000000ULL
#endif

namespace warren {

namespace {

constexpr std::uint64_t kArgsSizeVer0 = 64;
constexpr std::uint64_t kPageSize = 4096;
// Highest flag that clone3 knows, with the room below it that is the exit signal in clone.
constexpr std::uint64_t kKnownFlags = 0x3ffffffffULL & ~static_cast<std::uint64_t>(CSIGNAL);
// As many levels as a set_tid array may name: the kernel's MAX_PID_NS_LEVEL does not bound warren.
constexpr std::uint64_t kMostSetTid = 1u << 20;

// The part of clone_args that decides, copied out of the guest once: what its other threads write
// there afterwards does not matter.
struct CloneArgs {
  std::uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
  std::uint64_t set_tid, set_tid_size, cgroup;
};

// errno, or 0. clone3(2), ERRORS.
int check_args(const CloneArgs& args) {
  if (args.flags & ~kKnownFlags) return EINVAL;
  if (args.flags & (CLONE_DETACHED | CSIGNAL)) return EINVAL;
  if (args.exit_signal > 64) return EINVAL;
  if ((args.flags & CLONE_SIGHAND) && (args.flags & CLONE_CLEAR_SIGHAND)) return EINVAL;
  if ((args.flags & (CLONE_THREAD | CLONE_PARENT)) && args.exit_signal) return EINVAL;
  if ((args.stack == 0) != (args.stack_size == 0)) return EINVAL;
  if ((args.set_tid == 0) != (args.set_tid_size == 0)) return EINVAL;
  if (args.set_tid_size > kMostSetTid) return EINVAL;
  // The supervisor carries the call out as clone(2), which has no room for a cgroup.
  if (args.flags & CLONE_INTO_CGROUP) return EOPNOTSUPP;
  return 0;
}

// Bytes beyond what is known must be zero (E2BIG), as for every extensible structure.
int read_args(const SyscallContext& call, CloneArgs* args) {
  const std::uint64_t address = call.arg(0);
  const std::uint64_t size = call.arg(1);
  if (size > kPageSize) return E2BIG;
  if (size < kArgsSizeVer0) return EINVAL;
  *args = {};
  const std::uint64_t known = std::min<std::uint64_t>(size, sizeof *args);
  if (auto r = call.memory().read_bytes(address, args, known); !r) return EFAULT;
  for (std::uint64_t at = known; at < size; ++at) {
    const auto byte = call.memory().read(RemotePtr<unsigned char>(address + at));
    if (!byte) return EFAULT;
    if (*byte != 0) return E2BIG;
  }
  return check_args(*args);
}

}  // namespace

void sys_clone(SyscallContext& call) {
  ForkRequest request;
  request.exit_signal = static_cast<int>(call.arg(0) & CSIGNAL);
  request.flags = call.arg(0) & 0xffffffff & ~static_cast<std::uint64_t>(CSIGNAL);
  if ((request.flags & CLONE_PIDFD) && (request.flags & (CLONE_PARENT_SETTID | CLONE_DETACHED))) {
    // clone(2): both would be written to the same place.
    call.answer(-EINVAL);
    return;
  }
  request.stack = call.arg(1);
  request.parent_tid = call.arg(2);
  request.pidfd = call.arg(2);
  request.child_tid = call.arg(3);
  request.tls = call.arg(4);
  call.fork(std::move(request));
}

void sys_clone3(SyscallContext& call) {
  CloneArgs args;
  if (const int error = read_args(call, &args); error != 0) {
    call.answer(-error);
    return;
  }
  ForkRequest request;
  request.flags = args.flags;
  request.exit_signal = static_cast<int>(args.exit_signal);
  // clone3 names the lowest byte of the stack, clone its top.
  request.stack = args.stack ? args.stack + args.stack_size : 0;
  request.parent_tid = args.parent_tid;
  request.pidfd = args.pidfd;
  request.child_tid = args.child_tid;
  request.tls = args.tls;
  request.set_tid.resize(args.set_tid_size);
  if (args.set_tid_size != 0) {
    if (!call.memory().read_bytes(args.set_tid, request.set_tid.data(),
                                  args.set_tid_size * sizeof(Nr))) {
      call.answer(-EFAULT);
      return;
    }
  }
  call.fork(std::move(request));
}

void sys_fork(SyscallContext& call) {
  ForkRequest request;
  request.exit_signal = SIGCHLD;
  call.fork(std::move(request));
}

void sys_vfork(SyscallContext& call) {
  ForkRequest request;
  request.flags = CLONE_VFORK | CLONE_VM;
  request.exit_signal = SIGCHLD;
  call.fork(std::move(request));
}

}  // namespace warren
