// Identity: the calls that ask for numbers, and those that make process groups and sessions.
#include <cerrno>

#include "tracer/handlers.h"
#include "tracer/process_flags.h"
#include "tracer/runtime.h"
#include "tracer/syscall_context.h"
#include "tracer/tracer.h"

namespace warren {

void sys_getpid(SyscallContext& call) { call.answer(call.task().group().vnr()); }

void sys_gettid(SyscallContext& call) { call.answer(call.task().vnr()); }

// set_tid_address(2): every exec makes it, for the number. What it asks of the kernel matters only
// once the process has a second thread; until then the address is kept in the task's slot, and the
// kernel is told at the first clone of a thread (tracer/stops.cc), which stops anyway.
void sys_set_tid_address(SyscallContext& call) {
  call.task().set_data(reinterpret_cast<void*>(call.arg(0)));
  call.answer(call.task().vnr());
}

void sys_getppid(SyscallContext& call) {
  ThreadGroup& process = call.task().group();
  if (has_flag(process, ProcessFlag::kParentDied)) {
    set_flag(process, ProcessFlag::kParentDied, false);
    call.expect_delay();
    call.runtime().tracer().settle();
  }
  call.answer(process.parent_nr_in(*call.task().ns()));
}

void sys_getpgrp(SyscallContext& call) {
  call.answer(call.task().group().pgid_nr_in(*call.task().ns()));
}

namespace {

// The process that a pid argument means, 0 being the caller; null: ESRCH.
Ref<ThreadGroup> process_argument(SyscallContext& call, Nr nr) {
  if (nr == 0) return Ref<ThreadGroup>(call.task().group());
  // getpgid(2), getsid(2) take any thread's number.
  const Ref<Task> task = call.runtime().kernel().find_task(*call.task().ns(), nr);
  return task ? Ref<ThreadGroup>(task->group()) : nullptr;
}

}  // namespace

void sys_getpgid(SyscallContext& call) {
  const auto process = process_argument(call, call.int_arg(0));
  call.answer(process ? process->pgid_nr_in(*call.task().ns()) : -ESRCH);
}

void sys_getsid(SyscallContext& call) {
  const auto process = process_argument(call, call.int_arg(0));
  call.answer(process ? process->sid_nr_in(*call.task().ns()) : -ESRCH);
}

// setpgid(2): the host's kernel judges, with its own numbers.
void sys_setpgid(SyscallContext& call) {
  Kernel& kernel = call.runtime().kernel();
  const Ref<PidNamespace> ns = call.task().ns();
  const Nr pid = call.int_arg(0);
  const Nr pgid = call.int_arg(1);
  if (pgid < 0 || (pgid == 0 && pid < 0)) {
    call.answer(-EINVAL);
    return;
  }
  const auto process =
      pid == 0 ? Ref<ThreadGroup>(call.task().group()) : kernel.find_group(*ns, pid);
  if (!process) {
    // setpgid(2): EINVAL for a thread, ESRCH for what is no process.
    call.answer(pid > 0 && kernel.find_task(*ns, pid) ? -EINVAL : -ESRCH);
    return;
  }
  const Ref<Pid> group = pgid == 0 ? process->pid() : kernel.find_pid(*ns, pgid);
  if (!group) {
    call.answer(-EPERM);  // no such process group in the session
    return;
  }
  call.set_arg(0, static_cast<std::uint64_t>(process->level0()));
  call.set_arg(1, static_cast<std::uint64_t>(group->level0()));
  call.run_then([process, group](FinishedCall& done) {
    if (done.result() == 0) done.runtime().kernel().set_pgrp(*process, *group);
  });
}

void sys_setsid(SyscallContext& call) {
  call.run_then([](FinishedCall& done) {
    if (done.result() < 0) return;
    ThreadGroup& process = done.task().group();
    done.runtime().kernel().commit_setsid(process);
    done.set_result(process.vnr());
  });
}

}  // namespace warren
