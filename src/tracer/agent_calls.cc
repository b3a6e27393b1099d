#include "tracer/agent_calls.h"

#include <sched.h>

#include <cerrno>
#include <climits>
#include <csignal>

#include "tracer/runtime.h"
#include "tracer/sent_signal.h"
#include "tracer/syscall_context.h"
#include "tracer/tracer.h"
#include "tracer/waited.h"

namespace warren {

namespace {

ForkRequest clone_request(const SyscallContext& call) {
  ForkRequest request;
  request.exit_signal = static_cast<int>(call.arg(0) & CSIGNAL);
  request.flags = call.arg(0) & 0xffffffff & ~static_cast<std::uint64_t>(CSIGNAL);
  request.stack = call.arg(1);
  request.parent_tid = call.arg(2);
  request.child_tid = call.arg(3);
  request.tls = call.arg(4);
  return request;
}

ForkRequest fork_request(std::uint64_t flags) {
  ForkRequest request;
  request.flags = flags;
  request.exit_signal = SIGCHLD;
  return request;
}

// The host's number of the process or group that a wait is for.
long wait_target(SyscallContext& call) {
  const int pid = call.int_arg(0);
  if (pid == INT_MIN) return -ENOSYS;
  call.runtime().tracer().take_in_news();
  const pid_t host = host_of_wait_target(call.runtime(), call.task(), pid);
  if (host == 0) return -ECHILD;
  return host < 0 ? -host : host;
}

long waited(SyscallContext& call) {
  const auto host = static_cast<pid_t>(call.arg(0));
  call.runtime().agent_forks().settle(call.task().group());
  const auto time = read_usage(call.memory(), call.arg(3));
  Nr nr = note_waited(call.runtime(), call.task(), host, time ? &*time : nullptr);
  // Whoever asked for one child by a number gets that, which may not be the one that it knows.
  const auto asked = static_cast<Nr>(call.arg(4));
  return nr != 0 && asked > 0 ? asked : nr;
}

}  // namespace

bool serve_agent_call(inject::PrivateCall which, SyscallContext& call,
                      const AgentForks::Caller& caller) {
  using inject::PrivateCall;
  AgentForks& forks = call.runtime().agent_forks();
  const std::uint64_t key = call.arg(5);
  switch (which) {
    case PrivateCall::kBegin:
      call.answer(forks.begin(call, clone_request(call)));
      return false;
    case PrivateCall::kBeginFork:
      call.answer(forks.begin(call, fork_request(0)));
      return false;
    case PrivateCall::kBeginVfork:
      call.answer(forks.begin(call, fork_request(CLONE_VFORK | CLONE_VM)));
      return false;
    case PrivateCall::kRegister:
      call.answer(static_cast<long>(forks.registered(call.tid(), key).value_or(0)));
      return false;
    case PrivateCall::kForked:
      if (const auto number = forks.forked(key, static_cast<pid_t>(key & 0xffffffff), caller)) {
        call.answer(*number);
        return false;
      }
      return true;
    case PrivateCall::kVforked:
    case PrivateCall::kFailed:
      call.answer(static_cast<long>(forks.ended(key, which == PrivateCall::kFailed)));
      return false;
    case PrivateCall::kWaitTarget:
      call.answer(wait_target(call));
      return false;
    case PrivateCall::kWaited:
      call.answer(waited(call));
      return false;
    case PrivateCall::kSignalTaken:
      call.runtime().tracer().take_in_news();
      sent_signal::translate_taken(call.runtime(), call.task(), call.memory(), call.arg(1));
      call.answer(0);
      return false;
    case PrivateCall::kInitActs:
      call.expect_delay();
      call.runtime().tracer().trace_init(call.task().group());
      call.answer(0);
      return false;
    case PrivateCall::kLeaveInit:
      call.answer(call.runtime().tracer().leave_init(call.task().group()) ? 1 : 0);
      return false;
    case PrivateCall::kBooted:
      call.runtime().agents().booted(call);
      return false;
    case PrivateCall::kNone:
      break;
  }
  return false;
}

}  // namespace warren
