// Sending signals, and waiting for them.
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstdio>

#include "tracer/handlers.h"
#include "tracer/process_flags.h"
#include "tracer/runtime.h"
#include "tracer/sent_signal.h"
#include "tracer/signal_permission.h"
#include "tracer/syscall_context.h"
#include "tracer/thread_end.h"
#include "tracer/tracer.h"

namespace warren {

namespace {

constexpr int kMostSignal = 64;

// Whether a signal of the caller's to its own process is for its agent to send, which it is to get
// first. One that is traced for other reasons stays so.
bool is_for_agent(SyscallContext& call, const ThreadGroup& target, int signal) {
  const ThreadGroup& process = call.task().group();
  return &target == &process && call.may_want_agent() &&
         call.runtime().agents().could_signal_itself(call) &&
         (process.is_init() || !call.runtime().tracer().stays_traced(process)) &&
         sees_delivery(call.tid(), signal);
}

// Sends one process (or one thread of it) a signal in the caller's name. 0 or -errno.
int send_to(SyscallContext& call, ThreadGroup& target, pid_t target_tid, int signal, int code) {
  if (signal < 0 || signal > kMostSignal) return -EINVAL;  // after ESRCH, as the kernel has it
  if (const int error = check_signal_permission(call.tid(), target.level0(), signal)) return -error;
  if ((signal == SIGKILL || signal == SIGSTOP) && Kernel::init_protected(&call.task(), target)) {
    return 0;  // pid_namespaces(7): not from inside its own namespace; no error
  }
  trace_receiver(call.runtime(), target, target_tid, signal);
  // The sender is named by the number that it has for the receiver; 0 if it is outside.
  const Nr sender = call.task().group().nr_in(*target.ns());
  return sent_signal::send(target.level0(), target_tid, signal, code, sender,
                           real_uid_of(call.tid()));
}

}  // namespace

// kill(2), all four forms of the pid.
void sys_kill(SyscallContext& call) {
  const int pid = call.int_arg(0);
  const int signal = call.int_arg(1);
  if (pid == INT_MIN) {
    call.answer(-ESRCH);
    return;
  }
  const auto targets = call.runtime().kernel().signal_targets(call.task(), pid);
  if (!targets) {
    call.answer(-targets.error_code());
    return;
  }
  if (pid > 0 && targets->size() == 1 && is_for_agent(call, *targets->front(), signal)) {
    call.want_agent();
    return;
  }
  if (targets->size() > 1) call.expect_delay();
  // Many: success if one got it; else the last error (kill(2), and for -1 anything but EPERM).
  long answer = -ESRCH;
  bool any = false;
  for (const Ref<ThreadGroup>& target : *targets) {
    const int r = send_to(call, *target, 0, signal, SI_USER);
    if (r == 0) any = true;
    answer = r;
  }
  call.answer(any ? 0 : answer);
}

namespace {

void send_to_thread(SyscallContext& call, Nr tgid, Nr tid, int signal) {
  if (tid <= 0 || (tgid <= 0 && tgid != INT_MIN)) {
    call.answer(-EINVAL);
    return;
  }
  const Ref<PidNamespace> ns = call.task().ns();
  const Ref<Task> target = call.runtime().kernel().find_task(*ns, tid);
  if (!target || thread_is_ending(*target) ||
      (tgid != INT_MIN && target->group().nr_in(*ns) != tgid)) {
    call.answer(-ESRCH);
    return;
  }
  if (&*target == &call.task() && is_for_agent(call, target->group(), signal)) {
    call.want_agent();
    return;
  }
  call.answer(send_to(call, target->group(), target->level0(), signal, SI_TKILL));
}

}  // namespace

void sys_tkill(SyscallContext& call) {
  send_to_thread(call, INT_MIN, call.int_arg(0), call.int_arg(1));
}

void sys_tgkill(SyscallContext& call) {
  send_to_thread(call, call.int_arg(0), call.int_arg(1), call.int_arg(2));
}

namespace {

// A signal that an init does not get from inside is taken and forgotten.
bool swallowed(SyscallContext& call, ThreadGroup& target, pid_t tid, int signal) {
  trace_init_receiver(call.runtime(), target, tid, signal);
  if ((signal == SIGKILL || signal == SIGSTOP) && Kernel::init_protected(&call.task(), target)) {
    call.answer(0);
    return true;
  }
  return false;
}

// To itself a process may send any code, SI_USER too. The delivery stop takes a sender in such a
// siginfo for the kernel's word and translates it; so the guest's word is made the kernel's before.
void claim_sender(SyscallContext& call, const ThreadGroup& target, int argument) {
  if (target.level0() != call.task().group().level0()) return;
  siginfo_t info;
  if (!call.memory().read_bytes(call.arg(argument), &info, sizeof info)) return;
  if (info.si_code != SI_USER && info.si_code != SI_TKILL && info.si_code != SI_MESGQ) return;
  info.si_pid = call.runtime().to_host(*call.task().ns(), info.si_pid);
  const std::uint64_t copy = call.scratch(sizeof info);
  if (call.memory().write_bytes(copy, &info, sizeof info)) call.set_arg(argument, copy);
}

// To another process only codes may be claimed that anybody may claim (rt_sigqueueinfo(2)): the
// supervisor sends it as it is, without a stop. `tid` 0: to the process; `argument`: where the
// siginfo is, behind the signal. False: to the caller itself, who alone may claim more.
bool send_queued(SyscallContext& call, const ThreadGroup& target, pid_t tid, int argument) {
  const pid_t host = target.level0();
  if (host == call.task().group().level0()) return false;
  const int signal = call.int_arg(argument - 1);
  siginfo_t info;
  if (!call.memory().read_bytes(call.arg(argument), &info, sizeof info)) {
    call.answer(-EFAULT);
  } else if (info.si_code >= 0 || info.si_code == SI_TKILL) {
    call.answer(-EPERM);
  } else if (signal < 0 || signal > kMostSignal) {
    call.answer(-EINVAL);
  } else if (const int error = check_signal_permission(call.tid(), host, signal)) {
    call.answer(-error);
  } else {
    const long r = tid != 0 ? syscall(SYS_rt_tgsigqueueinfo, host, tid, signal, &info)
                            : syscall(SYS_rt_sigqueueinfo, host, signal, &info);
    call.answer(r == 0 ? 0 : -errno);
  }
  return true;
}

}  // namespace

// rt_sigqueueinfo(2) to oneself is made by the caller.
void sys_rt_sigqueueinfo(SyscallContext& call) {
  const Ref<Task> target = call.runtime().kernel().find_task(*call.task().ns(), call.int_arg(0));
  // Without a target the call still checks its other arguments first; no process has this number.
  const pid_t host = target ? target->group().level0() : INT_MAX;
  if (target && swallowed(call, target->group(), 0, call.int_arg(1))) return;
  if (target && send_queued(call, target->group(), 0, 2)) return;
  if (call.postponed()) return;
  if (target) claim_sender(call, target->group(), 2);
  call.set_arg(0, static_cast<std::uint64_t>(host));
}

void sys_rt_tgsigqueueinfo(SyscallContext& call) {
  const Ref<PidNamespace> ns = call.task().ns();
  const Nr tgid = call.int_arg(0);
  const Nr tid = call.int_arg(1);
  if (tgid <= 0 || tid <= 0) {
    call.answer(-EINVAL);
    return;
  }
  const Ref<Task> target = call.runtime().kernel().find_task(*ns, tid);
  const bool same = target && target->group().nr_in(*ns) == tgid;
  if (same && swallowed(call, target->group(), target->level0(), call.int_arg(2))) return;
  if (same && send_queued(call, target->group(), target->level0(), 3)) return;
  if (call.postponed()) return;
  if (same) claim_sender(call, target->group(), 3);
  call.set_arg(0, static_cast<std::uint64_t>(same ? target->group().level0() : INT_MAX));
  call.set_arg(1, static_cast<std::uint64_t>(same ? target->level0() : INT_MAX));
}

namespace {

// A blocked signal that is waited for never comes to a delivery stop; its numbers are translated
// here.
void finish_sigtimedwait(FinishedCall& done) {
  if (done.result() <= 0) return;
  sent_signal::translate_taken(done.runtime(), done.task(), done.memory(), done.arg(1));
}

}  // namespace

// rt_sigaction(2) of signals that the kernel sends with a number of the host's: a handler that sees
// it (SA_SIGINFO) must be told the guest's.
void sys_sigaction(SyscallContext& call) {
  struct KernelSigaction {
    std::uint64_t handler, flags;
  };
  const auto action = call.memory().read(RemotePtr<KernelSigaction>(call.arg(1)));
  const bool sees = action && (action->flags & SA_SIGINFO) && action->handler > 1;
  if (sees) call.runtime().tracer().trace(call.task().group());
  call.run();
}

// Asks the kernel for signals that carry a number.
void sys_wants_signals(SyscallContext& call) {
  call.runtime().tracer().trace(call.task().group());
  call.run();
}

// setitimer(2), alarm(2).
void sys_interval_timer(SyscallContext& call) {
  constexpr std::array kSignals = {SIGALRM, SIGVTALRM, SIGPROF};
  const int which = call.nr() == SYS_alarm ? ITIMER_REAL : call.int_arg(0);
  if (which >= 0 && which < static_cast<int>(kSignals.size())) {
    call.expect_delay();
    trace_interrupted(call.runtime(), call.task().group(), call.tid(),
                      kSignals[static_cast<std::size_t>(which)]);
  }
  call.run();
}

void sys_rt_sigtimedwait(SyscallContext& call) { call.run_then(finish_sigtimedwait); }

// timer_create(2) with SIGEV_THREAD_ID names a thread inside a structure: it is copied to where the
// number can be changed.
void sys_timer_create(SyscallContext& call) {
  sys_clock(call);
  if (call.arg(1) == 0) return;  // SIGALRM
  // Of any signal it must be seen whether an init has a handler for it.
  if (has_flag(call.task().group(), ProcessFlag::kLeftInit)) {
    call.runtime().tracer().trace(call.task().group());
  }
  struct KernelSigevent {
    std::uint64_t value;
    int signo;
    int notify;
    int tid;
    int pad[11];
  } event;
  static_assert(sizeof(KernelSigevent) == 64);
  constexpr int kThreadId = 4;  // SIGEV_THREAD_ID, a flag beside SIGEV_SIGNAL
  if (!call.memory().read_bytes(call.arg(1), &event, sizeof event)) {
    return;
  }
  if ((event.notify & kThreadId) == 0) {
    return;
  }
  const pid_t host = call.runtime().to_host(*call.task().ns(), event.tid);
  event.tid = host != 0 ? host : INT_MAX;
  const std::uint64_t copy = call.scratch(sizeof event);
  if (!call.memory().write_bytes(copy, &event, sizeof event)) {
    call.answer(-EFAULT);
    return;
  }
  call.set_arg(1, copy);
}

}  // namespace warren
