// wait4(2), waitid(2). The host's kernel waits, with its own numbers.
#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "tracer/handlers.h"
#include "tracer/ptrace.h"
#include "tracer/runtime.h"
#include "tracer/syscall_context.h"
#include "tracer/tracer.h"
#include "tracer/waited.h"

namespace warren {

pid_t host_of_wait_target(Runtime& runtime, Task& task, Nr pid) {
  const Ref<Pid> target = runtime.kernel().find_pid(*task.ns(), pid > 0 ? pid : -pid);
  if (!target) return pid > 0 ? runtime.moved_children().host_of(task.group(), pid) : 0;
  return pid > 0 ? target->level0() : -target->level0();
}

std::optional<CpuTime> read_usage(const RemoteMemory& memory, std::uint64_t address) {
  struct Times {
    timeval user, system;
  };
  const auto usage = memory.read(RemotePtr<Times>(address));
  if (!usage) return std::nullopt;
  const auto in_microseconds = [](const timeval& time) {
    return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000 +
           static_cast<std::uint64_t>(time.tv_usec);
  };
  return CpuTime{in_microseconds(usage->user), in_microseconds(usage->system)};
}

Nr note_waited(Runtime& runtime, Task& task, pid_t host, const CpuTime* time) {
  const Nr known = runtime.moved_children().nr_for(task.group(), host);
  Ref<ThreadGroup> child = runtime.kernel().find_group(runtime.kernel().root(), host);
  if (!child) {
    runtime.tracer().find_lost_child(task, host);
    child = runtime.kernel().find_group(runtime.kernel().root(), host);
  }
  if (child) {
    const Nr nr = child->nr_in(*task.ns());
    runtime.tracer().waited_for(*child, task.group(), time);
    return known != 0 ? known : nr;
  }
  // Its death was heard of earlier, the zombie was found gone already, and reaped.
  if (known != 0) return known;
  const Nr nr = runtime.to_guest_or_reaped(*task.ns(), host);
  return nr != 0 ? nr : runtime.agent_forks().waited_for_lost(task.group());
}

namespace {

constexpr int kWait4Options = WNOHANG | WUNTRACED | WCONTINUED | __WNOTHREAD | __WCLONE | __WALL;

// `usage`: where the kernel told what the child used; 0: nowhere.
void finish_wait4(FinishedCall& done, std::uint64_t usage) {
  if (done.result() <= 0) return;
  const auto time = usage != 0 ? read_usage(done.memory(), usage) : std::nullopt;
  const Nr nr = note_waited(done.runtime(), done.task(), static_cast<pid_t>(done.result()),
                            time ? &*time : nullptr);
  if (nr == 0) {
    // A zombie that the host handed over from a namespace that has ended: gone now, and unseen.
    done.repeat();
  } else {
    // Whoever asked for one child by a number gets that, which may not be the one that it knows.
    const auto asked = static_cast<Nr>(done.arg(0));
    done.set_result(asked > 0 ? asked : nr);
  }
}

// Whether the end of a wait is sure to be announced by a signal's stop (see
// SyscallContext::finish_at_next_stop). Then one stop serves for both.
bool ends_with_sigchld(SyscallContext& call, int options) {
  if (options != 0) return false;
  ThreadGroup& process = call.task().group();
  if (process.nr_threads() != 1) return false;
  std::uint64_t mask = 0;
  if (!ptrace_call::get_signal_mask(call.tid(), &mask) || ((mask >> (SIGCHLD - 1)) & 1)) {
    return false;
  }
  // Who has many pays the stop rather than a look at each of them.
  constexpr std::size_t kMost = 32;
  const auto children = process.children(kMost + 1);
  if (children.empty() || children.size() > kMost) return false;
  return std::all_of(children.begin(), children.end(), [](const Ref<ThreadGroup>& child) {
    return child->state() == GroupState::kAlive && child->exit_signal() == SIGCHLD;
  });
}

}  // namespace

void sys_wait4(SyscallContext& call) {
  const int pid = call.int_arg(0);
  const int options = call.int_arg(2);
  if (options & ~kWait4Options) {
    call.answer(-EINVAL);
    return;
  }
  if (pid == INT_MIN) {
    call.answer(-ESRCH);
    return;
  }
  const bool any = pid == 0 || pid == -1;
  const int host = any ? pid : host_of_wait_target(call.runtime(), call.task(), pid);
  if (host == 0 && !any) {
    call.answer(-ECHILD);
    return;
  }
  if (host != pid) call.set_arg(0, static_cast<std::uint64_t>(static_cast<std::int64_t>(host)));
  std::uint64_t usage = 0;
  if (call.runtime().untraced()) {
    // Nobody but the kernel's answer knows what a child used that was not traced.
    usage = call.arg(3);
    if (usage == 0) {
      usage = call.scratch(sizeof(rusage));
      call.set_arg(3, usage);
    }
  }
  call.run_then([usage](FinishedCall& done) { finish_wait4(done, usage); });
  if (ends_with_sigchld(call, options)) call.finish_at_next_stop();
}

namespace {

// siginfo_t of waitid, as the x86-64 kernel lays it out.
constexpr std::uint64_t kSiginfoPid = 16;
constexpr std::size_t kSiginfoSize = 128;

void finish_waitid(FinishedCall& done, std::uint64_t info) {
  if (done.result() != 0) return;
  const auto host = done.memory().read(RemotePtr<Nr>(info + kSiginfoPid));
  if (!host || *host == 0) return;
  const Nr nr = note_waited(done.runtime(), done.task(), *host);
  if (nr == 0) {
    done.repeat();
  } else if (done.arg(2) != 0) {
    const bool asked = done.arg(0) == P_PID;
    (void)done.memory().write(RemotePtr<Nr>(info + kSiginfoPid),
                              asked ? static_cast<Nr>(done.arg(1)) : nr);
  }
}

}  // namespace

void sys_waitid(SyscallContext& call) {
  const int type = call.int_arg(0);
  const int id = call.int_arg(1);
  if ((type == P_PID && id > 0) || (type == P_PGID && id > 0)) {
    const Ref<Pid> target = call.runtime().kernel().find_pid(*call.task().ns(), id);
    // A number that nobody has is ECHILD, but wrong options come first; a host number that cannot
    // be a child of this process lets the kernel decide.
    pid_t host = target ? target->level0() : 0;
    if (host == 0 && type == P_PID) {
      host = call.runtime().moved_children().host_of(call.task().group(), id);
    }
    if (host == 0) host = call.tid();
    call.set_arg(1, static_cast<std::uint64_t>(host));
  }
  // Without a place for the siginfo nobody could tell whom it was.
  std::uint64_t info = call.arg(2);
  if (info == 0) {
    info = call.scratch(kSiginfoSize);
    const char zeros[kSiginfoSize] = {};
    if (!call.memory().write_bytes(info, zeros, sizeof zeros)) {
      call.answer(-EFAULT);
      return;
    }
    call.set_arg(2, info);
  }
  call.run_then([info](FinishedCall& done) { finish_waitid(done, info); });
}

}  // namespace warren
