// Calls that name a task by number: the number becomes the host's, and the host's kernel does the
// rest.
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "tracer/handlers.h"
#include "tracer/process_flags.h"
#include "tracer/runtime.h"
#include "tracer/signal_permission.h"
#include "tracer/syscall_context.h"

namespace warren {

namespace {

// linux/ioprio.h cannot be read by a C++ compiler.
constexpr int kIoprioWhoProcess = 1;
constexpr int kIoprioWhoPgrp = 2;

// Puts the host's number in place of a guest's. One that the caller's namespace does not contain
// becomes one that no task has, so that the kernel gives its own errors in its own order. 0 means
// the caller and negative ones are errors: both stay.
void translate_task(SyscallContext& call, int argument) {
  const int nr = call.int_arg(argument);
  if (nr <= 0) {
    call.run();
    return;
  }
  const pid_t host = call.runtime().to_host(*call.task().ns(), nr);
  call.set_arg(argument, static_cast<std::uint64_t>(host != 0 ? host : INT_MAX));
}

void translate_group(SyscallContext& call, int argument) {
  const int nr = call.int_arg(argument);
  const Ref<Pid> pid =
      nr > 0 ? call.runtime().kernel().find_pid(*call.task().ns(), nr) : Ref<Pid>();
  if (nr <= 0) {
    call.run();
    return;
  }
  call.set_arg(argument, static_cast<std::uint64_t>(pid ? pid->level0() : INT_MAX));
}

}  // namespace

void sys_pid_arg0(SyscallContext& call) { translate_task(call, 0); }

void sys_perf_event_open(SyscallContext& call) { translate_task(call, 1); }

namespace {

// PRIO_USER means the user's processes that the caller can see (setpriority(2)), not all on the
// host.
void priority_of_user(SyscallContext& call) {
  const Ref<PidNamespace> ns = call.task().ns();
  const uid_t self = real_uid_of(call.tid());
  const auto wanted = call.arg(1) == 0 ? self : static_cast<uid_t>(call.arg(1));
  const bool sets = call.nr() == SYS_setpriority;
  long answer = -ESRCH;
  for (const TaskSnapshot& task : call.runtime().kernel().snapshot().tasks) {
    const pid_t host = task.numbers[0];
    if (!task.alive || !task.ns->is_within(*ns) || real_uid_of(host) != wanted) continue;
    const long r = sets ? syscall(SYS_setpriority, PRIO_PROCESS, host, call.int_arg(2))
                        : syscall(SYS_getpriority, PRIO_PROCESS, host);
    if (r < 0) {
      if (answer == -ESRCH) answer = -errno;
    } else {
      answer = std::max(answer, r);
    }
  }
  call.answer(answer);
}

}  // namespace

void sys_priority(SyscallContext& call) {
  switch (call.int_arg(0)) {
    case PRIO_PROCESS:
      translate_task(call, 1);
      break;
    case PRIO_PGRP:
      translate_group(call, 1);
      break;
    case PRIO_USER:
      priority_of_user(call);
      break;
    default:
      call.run();
      break;
  }
}

void sys_ioprio(SyscallContext& call) {
  switch (call.int_arg(0)) {
    case kIoprioWhoProcess:
      translate_task(call, 1);
      break;
    case kIoprioWhoPgrp:
      translate_group(call, 1);
      break;
    default:
      call.run();
      break;
  }
}

void sys_kcmp(SyscallContext& call) {
  translate_task(call, 0);
  translate_task(call, 1);
}

// capget(2) names the task inside its header, which stays the guest's; a look at oneself is the
// kernel's business, another's is asked for it.
void sys_capget(SyscallContext& call) {
  const auto header = call.memory().read(RemotePtr<__user_cap_header_struct>(call.arg(0)));
  if (!header || header->pid == 0 || call.arg(1) == 0) {
    call.run();
    return;
  }
  if (header->pid < 0) {
    call.answer(-EINVAL);
    return;
  }
  const pid_t host = call.runtime().to_host(*call.task().ns(), header->pid);
  if (host == 0) {
    call.answer(-ESRCH);
    return;
  }
  __user_cap_header_struct asked{header->version, host};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
  if (syscall(SYS_capget, &asked, data) != 0) {
    // An unknown version is answered with the kernel's own, in the header.
    if (errno == EINVAL) {
      (void)call.memory().write_bytes(call.arg(0), &asked.version, sizeof asked.version);
    }
    call.answer(-errno);
    return;
  }
  const std::size_t words = header->version == _LINUX_CAPABILITY_VERSION_1 ? 1 : 2;
  const auto written =
      call.memory().write_bytes(call.arg(1), data, words * sizeof(__user_cap_data_struct));
  call.answer(written ? 0 : -EFAULT);
}

// capset(2) takes 0 or the caller's own number, which only the guest knows by that name.
void sys_capset(SyscallContext& call) {
  auto header = call.memory().read(RemotePtr<__user_cap_header_struct>(call.arg(0)));
  if (!header || header->pid == 0 || header->pid != call.task().vnr()) return call.run();
  header->pid = 0;
  const std::uint64_t copy = call.scratch(sizeof *header);
  if (!call.memory().write(RemotePtr<__user_cap_header_struct>(copy), *header)) {
    return call.answer(-EFAULT);
  }
  call.set_arg(0, copy);
}

namespace {

// PR_SET_CHILD_SUBREAPER: the engine chooses reapers by it as the host's kernel does.
void set_child_subreaper(SyscallContext& call) {
  ThreadGroup& process = call.task().group();
  if (process.is_init()) {
    // For the host's kernel an init is one anyway, or orphans would leave the container.
    call.runtime().kernel().set_child_subreaper(process, call.arg(1) != 0);
    call.answer(0);
    return;
  }
  if (call.arg(1) != 0) call.runtime().set_has_subreapers();
  call.run_then([](FinishedCall& done) {
    if (done.result() != 0) return;
    done.runtime().kernel().set_child_subreaper(done.task().group(), done.arg(1) != 0);
  });
}

void get_child_subreaper(SyscallContext& call) {
  const int value = call.task().group().is_child_subreaper() ? 1 : 0;
  const auto written = call.memory().write(RemotePtr<int>(call.arg(1)), value);
  call.answer(written ? 0 : -EFAULT);
}

}  // namespace

void sys_prctl(SyscallContext& call) {
  ThreadGroup& process = call.task().group();
  switch (call.int_arg(0)) {
    case PR_SET_CHILD_SUBREAPER:
      set_child_subreaper(call);
      break;
    case PR_GET_CHILD_SUBREAPER:
      get_child_subreaper(call);
      break;
    case PR_SET_DUMPABLE:
      if (call.arg(1) > 1) {
        call.answer(-EINVAL);
        break;
      }
      set_flag(process, ProcessFlag::kNotDumpable, call.arg(1) == 0);
      call.answer(0);
      break;
    case PR_GET_DUMPABLE:
      if (has_flag(process, ProcessFlag::kNotDumpable)) {
        call.answer(0);
      } else {
        call.run();
      }
      break;
    case PR_SET_PTRACER:
      if (call.arg(1) != ~std::uint64_t{0}) translate_task(call, 1);
      break;
    default:  // PR_SCHED_CORE: a task is named by the third argument
      translate_task(call, 2);
      break;
  }
}

}  // namespace warren
