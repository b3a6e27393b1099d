// ptrace(2): Tracer carries it out (guest_trace.h).
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>

#include "tracer/handlers.h"
#include "tracer/runtime.h"
#include "tracer/syscall_context.h"
#include "tracer/tracer.h"

namespace warren {

namespace {

// Whether the caller may trace the target, the host's kernel knows: its ids, its capabilities, its
// Landlock domains, and Yama's rule. So the call becomes one that asks the same of it, and reads
// from an address where nothing is: EFAULT if it was allowed to.
void attach_if_allowed(SyscallContext& call, const Ref<Task>& target, bool seizes) {
  struct {
    iovec here, there;
    std::uint64_t word;
  } question{};
  const std::uint64_t at = call.scratch(sizeof question);
  question.here = {reinterpret_cast<void*>(at + offsetof(decltype(question), word)), 8};
  question.there = {reinterpret_cast<void*>(8), 8};
  if (!call.memory().write_bytes(at, &question, sizeof question)) return call.answer(-EFAULT);
  call.set_call(SYS_process_vm_readv);
  call.set_arg(0, static_cast<std::uint64_t>(target->level0()));
  call.set_arg(1, at + offsetof(decltype(question), here));
  call.set_arg(2, 1);
  call.set_arg(3, at + offsetof(decltype(question), there));
  call.set_arg(4, 1);
  call.set_arg(5, 0);
  call.run_then([target, seizes](FinishedCall& done) {
    if (done.result() == -EPERM || done.result() == -ESRCH) return;
    const long result =
        done.runtime().tracer().guest_attach(done.task(), target, seizes, seizes ? done.arg(3) : 0);
    if (result == Tracer::kNotYet) return done.repeat();
    done.set_result(result);
  });
}

}  // namespace

// PTRACE_TRACEME, PTRACE_ATTACH, PTRACE_SEIZE: at a stop of the caller, so on the tracer's thread.
void sys_ptrace_begin(SyscallContext& call) {
  Tracer& tracer = call.runtime().tracer();
  const int request = call.int_arg(0);
  if (request == PTRACE_TRACEME) return call.answer(tracer.guest_traceme(call.task()));
  const bool seizes = request == PTRACE_SEIZE;
  const Ref<Task> target = call.runtime().kernel().find_task(*call.task().ns(), call.int_arg(1));
  const long error =
      tracer.check_guest_attach(call.task(), target, seizes, call.arg(2), call.arg(3));
  if (error == 0) return attach_if_allowed(call, target, seizes);
  if (error != Tracer::kNotYet) return call.answer(error);
  call.set_call(SYS_sched_yield);
  call.run_then([](FinishedCall& done) { done.repeat(); });
}

// Every other request: a tracee waits in its stop for the tracer's thread.
void sys_ptrace(SyscallContext& call) {
  call.expect_delay();
  long answer = -ESRCH;
  call.runtime().tracer().do_now([&] {
    answer = call.runtime().tracer().guest_request(call.task(), static_cast<long>(call.arg(0)),
                                                   call.int_arg(1), call.arg(2), call.arg(3));
  });
  call.answer(answer);
}

}  // namespace warren
