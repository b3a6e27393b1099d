// wait4(2), waitid(2). The host's kernel waits, with its own numbers.
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "tracer/handlers.h"
#include "tracer/process_flags.h"
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

// --- Who traces others waits for them, too (guest_trace.h). The kernel does not know of those: it
// --- waits for children, and is interrupted when there is news of a tracee.

constexpr long kRestartSys = -512;
constexpr long kRestartNoHand = -514;

bool traces(const Task& task) { return has_flag(task.group(), ProcessFlag::kTracesGuests); }

// The kernel says that there is nobody to wait for, but there are tracees: the wait goes on.
void await_tracees(FinishedCall& done, const GuestWait& wait) {
  Tracer& tracer = done.runtime().tracer();
  if (!tracer.guest_traces().expects(done.task(), wait)) return;
  if (wait.blocks) {
    tracer.waits_for_tracees_alone(done.task(), wait);
    done.repeat();
  } else {
    done.set_result(0);
  }
}

// Of one that traces: true if the wait is answered, or is for nobody but tracees. Such a one ends
// by interruption alone, and is a wait again then.
template <typename Tell>
bool waits_for_tracees(SyscallContext& call, const GuestWait& wait, Tell tell) {
  Tracer& tracer = call.runtime().tracer();
  const bool alone = tracer.take_waits_for_tracees_alone(call.task(), wait);
  if (const auto news = tracer.take_guest_news(call.task(), wait)) {
    tell(*news);
    return true;
  }
  if (!alone || !tracer.guest_traces().expects(call.task(), wait)) return false;
  call.set_call(SYS_pause);
  call.run_then([](FinishedCall& done) {
    if (done.result() == kRestartNoHand) done.set_result(kRestartSys);
  });
  return true;
}

// Untraced, a wait is notified first (Way::kNotifyFirst): true if that is all for now. Answered at
// once is only news of a tracee that is there already.
template <typename Tell>
bool is_for_the_stop(SyscallContext& call, const GuestWait& wait, Tell tell) {
  if (!call.postponed()) return false;
  if (!traces(call.task())) return true;
  call.expect_delay();
  Tracer& tracer = call.runtime().tracer();
  tracer.do_now([&] {
    const auto news = tracer.take_guest_news(call.task(), wait);
    if (!news) return;
    tell(*news);
    (void)tracer.take_waits_for_tracees_alone(call.task(), wait);
  });
  return true;
}

GuestWait wait_of_wait4(int pid, int options) {
  GuestWait wait{.type = P_ALL, .id = 0};
  if (pid > 0) {
    wait = {.type = P_PID, .id = pid};
  } else if (pid != -1) {
    wait = {.type = P_PGID, .id = -pid};
  }
  wait.own_thread = (options & __WNOTHREAD) != 0;
  wait.blocks = (options & WNOHANG) == 0;
  return wait;
}

void tell_wait4(SyscallContext& call, const GuestNews& news) {
  call.answer(news.nr);
  if (call.arg(1) != 0 && !call.memory().write(RemotePtr<int>(call.arg(1)), news.status)) {
    call.answer(-EFAULT);
  }
  if (call.arg(3) != 0) {
    constexpr std::uint64_t kSecond = 1'000'000;
    rusage usage{};
    const auto as_timeval = [](std::uint64_t time) {
      return timeval{static_cast<time_t>(time / kSecond), static_cast<suseconds_t>(time % kSecond)};
    };
    usage.ru_utime = as_timeval(news.time.user);
    usage.ru_stime = as_timeval(news.time.system);
    if (!call.memory().write(RemotePtr<rusage>(call.arg(3)), usage)) call.answer(-EFAULT);
  }
}

// A stop of a child that the waiter traces is told as that of a tracee, not of a child.
bool is_tracees_stop(FinishedCall& done, int options) {
  if ((options & WUNTRACED) == 0) return false;
  const auto host = static_cast<pid_t>(done.result());
  const auto status = done.memory().read(RemotePtr<int>(done.arg(1)));
  if (!status || !WIFSTOPPED(*status)) return false;
  const auto& tracees = done.runtime().tracer().guest_traces().all();
  return std::any_of(tracees.begin(), tracees.end(), [&](const Tracee* tracee) {
    return tracee->tid == host && tracee->guest->process == &done.task().group();
  });
}

void finish_wait4_of_tracer(FinishedCall& done, const GuestWait& wait, int options) {
  if (done.result() == -ECHILD) {
    await_tracees(done, wait);
  } else if (done.result() > 0 && is_tracees_stop(done, options)) {
    done.repeat();
  } else if (done.result() > 0) {
    done.runtime().tracer().told_of_end(done.task().group(), static_cast<pid_t>(done.result()));
  }
}

// `usage`: where the kernel told what the child used; 0: nowhere.
void finish_wait4(FinishedCall& done, std::uint64_t usage) {
  if (done.result() <= 0 || done.repeated()) return;
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
  const GuestWait wait = wait_of_wait4(pid, options);
  const auto tell = [&](const GuestNews& news) { tell_wait4(call, news); };
  if ((options & ~kWait4Options) == 0 && is_for_the_stop(call, wait, tell)) return;
  if (options & ~kWait4Options) {
    call.answer(-EINVAL);
    return;
  }
  if (pid == INT_MIN) {
    call.answer(-ESRCH);
    return;
  }
  const bool traces_others = traces(call.task());
  if (traces_others && waits_for_tracees(call, wait, tell)) return;
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
  call.run_then([usage, wait, options, traces_others](FinishedCall& done) {
    if (traces_others || traces(done.task())) finish_wait4_of_tracer(done, wait, options);
    finish_wait4(done, usage);
  });
  if (!traces_others && ends_with_sigchld(call, options)) call.finish_at_next_stop();
}

namespace {

// siginfo_t of waitid, as the x86-64 kernel lays it out.
constexpr std::uint64_t kSiginfoPid = 16;
constexpr std::size_t kSiginfoSize = 128;

void tell_waitid(SyscallContext& call, const GuestNews& news) {
  siginfo_t info{};
  info.si_signo = SIGCHLD;
  info.si_pid = news.nr;
  info.si_uid = news.uid;
  if (WIFSTOPPED(news.status)) {
    info.si_code = CLD_TRAPPED;
    info.si_status = news.status >> 8;
  } else if (WIFEXITED(news.status)) {
    info.si_code = CLD_EXITED;
    info.si_status = WEXITSTATUS(news.status);
  } else {
    info.si_code = WCOREDUMP(news.status) ? CLD_DUMPED : CLD_KILLED;
    info.si_status = WTERMSIG(news.status);
  }
  constexpr std::size_t kWritten = 28;  // all that waitid(2) sets
  const std::uint64_t at = call.arg(2);
  call.answer(at == 0 || call.memory().write_bytes(at, &info, kWritten) ? 0 : -EFAULT);
}

void finish_waitid_of_tracer(FinishedCall& done, const GuestWait& wait, std::uint64_t info) {
  if (done.result() == -ECHILD) {
    await_tracees(done, wait);
    if (done.result() == 0) (void)done.memory().write(RemotePtr<Nr>(info + kSiginfoPid), 0);
  } else if (const auto host = done.memory().read(RemotePtr<Nr>(info + kSiginfoPid));
             done.result() == 0 && host && !wait.keeps) {
    done.runtime().tracer().told_of_end(done.task().group(), *host);
  }
}

void finish_waitid(FinishedCall& done, std::uint64_t info) {
  if (done.result() != 0 || done.repeated()) return;
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
  const int options = call.int_arg(3);
  const GuestWait wait{.type = type,
                       .id = id,
                       .own_thread = (options & __WNOTHREAD) != 0,
                       .ends = (options & WEXITED) != 0,
                       .keeps = (options & WNOWAIT) != 0,
                       .blocks = (options & WNOHANG) == 0};
  constexpr int kAny = WEXITED | WSTOPPED | WCONTINUED;
  const auto tell = [&](const GuestNews& news) { tell_waitid(call, news); };
  if ((options & kAny) != 0 && is_for_the_stop(call, wait, tell)) return;
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
  const bool traces_others = traces(call.task()) && (options & kAny) != 0;
  if (traces_others && waits_for_tracees(call, wait, tell)) return;
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
  call.run_then([info, wait](FinishedCall& done) {
    if (traces(done.task())) finish_waitid_of_tracer(done, wait, info);
    finish_waitid(done, info);
  });
}

}  // namespace warren
