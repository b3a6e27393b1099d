// What the tracer does at each kind of stop, but for signals and deaths.
#include <linux/sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "tracer/agent_state.h"
#include "tracer/proc_stat.h"
#include "tracer/process_flags.h"
#include "tracer/ptrace.h"
#include "tracer/robust_list.h"
#include "tracer/syscall_table.h"
#include "tracer/tracer.h"

namespace warren {

namespace {

bool is_job_control_stop(int signal) {
  return signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
}

// Whether the task has died. A task that is gone counts as well.
bool is_zombie(pid_t tid) {
  const char state = read_proc_stat(tid).state;
  return state == 0 || state == 'Z' || state == 'X';
}

}  // namespace

void Tracer::on_seccomp_stop(Tracee& tracee) {
  finish_lazy_call(tracee);
  arch::Registers regs;
  if (!ptrace_call::get_registers(tracee.tid, &regs)) return;
  const bool redone = take_redone(tracee, &regs);
  if (redone && tracee.guest) guest_call_redone(tracee);
  const SyscallEntry* entry = find_syscall(static_cast<int>(regs.syscall()), Way::kPtrace);
  if (!entry) {
    if (redone) ptrace_call::set_registers(tracee.tid, regs);
    on_guests_filter(tracee, regs);
    return;
  }
  SyscallContext context(runtime_, *tracee.task, tracee.tid, regs);
  take_in_news();
  entry->handler(context);
  using Outcome = SyscallContext::Outcome;
  switch (context.outcome()) {
    case Outcome::kRun:
      if (!redone) {
        go_on(tracee);
        break;
      }
      // The mark stays while the kernel looks at the call once more, and goes at its end.
      tracee.call = PendingCall{.guest = regs};
      go_on(tracee, {Resumption::How::kToExit});
      break;
    case Outcome::kInject:  // only a notification can; a handler that says so here is wrong
    case Outcome::kAnswer:
      if (tracee.guest && tracee.guest->stops_at_syscalls()) tracee.guest->answered = context.nr();
      regs.set_syscall(-1);
      regs.set_result(context.outcome() == Outcome::kAnswer ? context.answer_value() : -ENOSYS);
      ptrace_call::set_registers(tracee.tid, regs);
      go_on(tracee);
      break;
    case Outcome::kFork: {
      PendingCall call{.guest = regs};
      arch::Registers changed = regs;
      const long error = forks_.begin(tracee, context.take_fork(), regs, &changed, &call.fork);
      if (error != 0) {
        regs.set_syscall(-1);
        regs.set_result(error);
        ptrace_call::set_registers(tracee.tid, regs);
        go_on(tracee);
        break;
      }
      ptrace_call::set_registers(tracee.tid, changed);
      tracee.call = std::move(call);
      go_on(tracee, {Resumption::How::kToExit});
      break;
    }
    case Outcome::kRunThenFinish: {
      arch::Registers changed = context.call();
      if (redone) set_trace_mark(&changed);
      if (changed.args() != regs.args() || changed.syscall() != regs.syscall()) {
        ptrace_call::set_registers(tracee.tid, changed);
      }
      // A guest that traces sees the end of the call before the signal.
      const bool lazy = context.lazy() && !redone && !tracee.guest;
      tracee.call = PendingCall{.guest = regs, .finish = context.take_finish(), .lazy = lazy};
      go_on(tracee, {lazy ? Resumption::How::kResume : Resumption::How::kToExit});
      break;
    }
  }
}

bool Tracer::finish_call(Tracee& tracee, arch::Registers* regs) {
  PendingCall call = std::move(*tracee.call);
  tracee.call.reset();
  regs->restore_call(call.guest);
  if (call.fork != 0) {
    long host = regs->result();
    // A filter of the guest's own that kills it for the call leaves the call's number as the
    // result.
    if (host == SYS_clone && !traces(static_cast<pid_t>(host))) host = -EPERM;
    const long nr = forks_.parent_returned(call.fork, host);
    regs->set_result(nr);
    tell_clear_tid(tracee, *regs);
    if (host > 0) {
      if (!find(static_cast<pid_t>(host))) waiter_.expect(static_cast<pid_t>(host));
      if (const auto early = early_deaths_.find(static_cast<pid_t>(host));
          early != early_deaths_.end()) {
        const int status = early->second;
        early_deaths_.erase(early);
        on_death(static_cast<pid_t>(host), status);
      }
    }
    return false;
  }
  if (!call.finish) return false;
  FinishedCall finished(runtime_, *tracee.task, tracee.tid, call.guest, regs->result());
  call.finish(finished);
  regs->set_result(finished.result());
  if (finished.repeated()) regs->rewind(call.guest.syscall());
  return finished.repeated();
}

// Makes up for a set_tid_address(2) that the kernel was not told of (sys_id.cc).
void Tracer::tell_clear_tid(Tracee& tracee, const arch::Registers& regs) {
  const auto address = reinterpret_cast<std::uint64_t>(tracee.task->data());
  if (address == 0 || tracee.task->group().nr_threads() < 2) return;
  tracee.task->set_data(nullptr);
  tracee.tid_word = address;
  // An address from before an exec is not that of a thread id any more.
  const auto word = RemoteMemory(tracee.tid).read(RemotePtr<Nr>(address));
  if (!word || *word != tracee.task->vnr()) return;
  remote_syscall(tracee, regs, SYS_set_tid_address, {address, kOwnCall, 0, 0});
}

void Tracer::on_syscall_stop(Tracee& tracee) {
  // Of a begin we only hear where a guest that traces has asked for it.
  if (tracee.guest && guest_enters_syscall(tracee)) return;
  arch::Registers regs;
  if (!ptrace_call::get_registers(tracee.tid, &regs)) return;
  bool repeated = false;
  if (tracee.call) {
    repeated = finish_call(tracee, &regs);
    ptrace_call::set_registers(tracee.tid, regs);
  }
  if (tracee.guest) {
    if (const int nr = std::exchange(tracee.guest->answered, -1); nr >= 0) {
      regs.set_syscall(nr);
      ptrace_call::set_registers(tracee.tid, regs);
    }
    guest_left_syscall(tracee, repeated);
  } else {
    go_on(tracee);
  }
}

void Tracer::finish_lazy_call(Tracee& tracee) {
  if (!tracee.call || !tracee.call->lazy) return;
  arch::Registers regs;
  if (!ptrace_call::get_registers(tracee.tid, &regs)) return;
  // Still the same return from the kernel, unless the call ended without a stop, which by the rule
  // of finish_at_next_stop() is a failure that needs no translation.
  if (regs.ip() != tracee.call->guest.ip() || regs.syscall() != tracee.call->guest.syscall() ||
      regs.result() == -ENOSYS) {
    tracee.call.reset();
    return;
  }
  finish_call(tracee, &regs);
  ptrace_call::set_registers(tracee.tid, regs);
}

void Tracer::on_event_stop(Tracee& tracee, int signal) {
  finish_lazy_call(tracee);
  if (is_job_control_stop(signal)) {
    set_flag(tracee.task->group(), ProcessFlag::kGroupStopped);
    if (!tracee.guest || !show_event_stop(tracee, signal, false)) {
      go_on(tracee, {Resumption::How::kListen});
    }
    if (stop_observer_ && tracee.task->is_leader() && !tracee.task->group().parent()) {
      stop_observer_(tracee.tid, signal);
    }
    return;
  }
  const bool was_stopped = has_flag(tracee.task->group(), ProcessFlag::kGroupStopped);
  if (was_stopped) set_flag(tracee.task->group(), ProcessFlag::kGroupStopped, false);
  update_options(tracee);
  if (tracee.agent) finish_mapping(tracee);
  if (tracee.redo && !tracee.redo->issued) reissue(tracee);
  leave_agents_wait(tracee);
  if (tracee.guest && show_event_stop(tracee, signal, was_stopped)) return;
  go_on(tracee);
}

// One that nobody traces: an init that was left, or an orphan.
void Tracer::on_stop_of_own_child(pid_t tid, int signal) {
  const Ref<Task> task = runtime_.task_of(tid);
  if (stop_observer_ && task && has_flag(task->group(), ProcessFlag::kLeftInit)) {
    stop_observer_(tid, signal);
  }
}

// SIGKILL wakes a task from any stop but that at its exit event.
void Tracer::end_stray(pid_t tid) {
  kill(tid, SIGKILL);
  ptrace_call::resume(tid);
}

void Tracer::on_unknown(pid_t tid, int status) {
  arch::Registers regs;
  Forks::Child child;
  if ((status >> 16) != PTRACE_EVENT_STOP || !ptrace_call::get_registers(tid, &regs) ||
      !forks_.child_arrived(regs.arg(5), tid, &child)) {
    // Killed before its first stop, and at its exit event; or attached by no fork that was let
    // through, and must not run.
    end_stray(tid);
    return;
  }
  Tracee& tracee = add(tid, child.task);
  tracee.options = child.options;
  first_stop(tracee, child, regs, WSTOPSIG(status));
  if (child.vforker && !freezes_.empty()) report_if_still(child.vforker);
}

void Tracer::first_stop(Tracee& tracee, const Forks::Child& child, arch::Registers regs,
                        int signal) {
  if (!tracee.task || !tracee.task->ns()->alive()) {
    child_has_come(tracee.tid);
    end_stray(tracee.tid);
    return;
  }
  prepare_child(tracee, child, regs);
  inherit_guest_trace(tracee, child);
  child_has_come(tracee.tid);
  if (tracee.guest && show_event_stop(tracee, signal, true)) return;
  go_on(tracee,
        {is_job_control_stop(signal) ? Resumption::How::kListen : Resumption::How::kResume});
}

// Makes good what was kept from the host's kernel when the parent's call was rewritten.
void Tracer::prepare_child(Tracee& tracee, const Forks::Child& child, arch::Registers regs) {
  const ForkRequest& request = child.request;
  regs.restore_call(child.guest);
  regs.set_result(0);
  ptrace_call::set_registers(tracee.tid, regs);
  if (request.flags & CLONE_CHILD_SETTID) {
    (void)RemoteMemory(tracee.tid).write(RemotePtr<Nr>(request.child_tid), tracee.task->vnr());
  }
  if (request.flags & CLONE_CHILD_SETTID) {
    tracee.tid_word = request.child_tid;
  } else if (request.flags & CLONE_PARENT_SETTID) {
    tracee.tid_word = request.parent_tid;
  }
  update_options(tracee);
  if (runtime_.untraced() && child.parent && child.parent->group().is_init() &&
      (request.flags & CLONE_SIGHAND) == 0) {
    set_default_actions(tracee, regs, agent_state::ignored_of(child.parent->level0()));
  }
  if (child.is_init && !(request.flags & CLONE_THREAD)) {
    // The host's kernel then hands it the orphans of its namespace.
    remote_syscall(tracee, regs, SYS_prctl, {PR_SET_CHILD_SUBREAPER, 1, 0, 0});
  }
  if (request.flags & CLONE_CLEAR_SIGHAND) {
    set_default_actions(tracee, regs, read_proc_status(tracee.tid).caught);
  }
}

void Tracer::set_default_actions(Tracee& tracee, const arch::Registers& regs,
                                 std::uint64_t signals) {
  struct KernelSigaction {
    std::uint64_t handler, flags, restorer, mask;
  };
  if (signals == 0) return;
  const std::uint64_t scratch = (regs.sp() - arch::kRedZone - sizeof(KernelSigaction)) & ~15ULL;
  const RemoteMemory memory(tracee.tid);
  KernelSigaction saved;
  const KernelSigaction action{};
  if (!memory.read_bytes(scratch, &saved, sizeof saved) ||
      !memory.write_bytes(scratch, &action, sizeof action)) {
    return;
  }
  for (; signals != 0; signals &= signals - 1) {
    const auto signal = static_cast<std::uint64_t>(std::countr_zero(signals)) + 1;
    remote_syscall(tracee, regs, SYS_rt_sigaction, {signal, scratch, 0, 8, kOwnCall});
  }
  (void)memory.write_bytes(scratch, &saved, sizeof saved);
}

void Tracer::on_exec(pid_t tgid) {
  // Reported under the leader's id, which a thread that is not the leader has just taken over.
  const auto old_tid = static_cast<pid_t>(ptrace_call::event_message(tgid));
  const Tracee* const caller = find(old_tid > 0 ? old_tid : tgid);
  const Nr former =
      caller && caller->guest ? caller->task->nr_in(*caller->guest->process->ns()) : 0;
  if (old_tid > 0 && old_tid != tgid) {
    if (Tracee* thread = find(old_tid)) {
      exec_by_thread(*thread->task);
      set_flag(thread->task->group(), ProcessFlag::kLeaderEnded, false);
      std::unique_ptr<Tracee> moved = std::move(tracees_[old_tid]);
      tracees_.erase(old_tid);
      moved->tid = tgid;
      // Null: the leader was not traced.
      if (Tracee* leader = find(tgid)) end_calls(*leader);
      end_calls(*moved);
      const std::unique_ptr<Tracee> leader = std::exchange(tracees_[tgid], std::move(moved));
      // Its end is not told of: ptrace(2), "execve(2) under ptrace".
      if (leader && leader->guest) drop_guest(*leader);
    }
  } else if (Tracee* leader = find(tgid)) {
    exec_by_thread(*leader->task);
  }
  Tracee* const traced = find(tgid);
  if (!traced) {
    end_stray(tgid);
    return;
  }
  Tracee& now = *traced;
  // What asked for tracing went with the old program.
  if (has_flag(now.task->group(), ProcessFlag::kTraced)) {
    set_flag(now.task->group(), ProcessFlag::kTraced, false);
  }
  update_options(now);
  if (now.guest && show_exec(now, former)) return;
  go_on(now);
}

void Tracer::on_exit_event(Tracee& tracee) {
  if (tracee.guest && show_exit(tracee)) return;
  // Killed in the middle of a fork: it will not return from it.
  end_calls(tracee);
  if (has_flag(tracee.task->group(), ProcessFlag::kSharesMemory)) {
    mend_robust_list(tracee.tid, tracee.task->vnr());
  }
  if (tracee.task->group().is_init() && hold_init(tracee)) return;
  ptrace_call::resume(tracee.tid);
}

int Tracer::next_remote_stop(Tracee& tracee) {
  int status = 0;
  for (;;) {
    const pid_t waited = waitpid(tracee.tid, &status, __WALL | WNOHANG);
    if (waited == tracee.tid) break;
    if (waited < 0 && errno != EINTR) return 0;
    // The death of a process's first thread is not reported before those of its other threads, for
    // which somebody has to wait: the loop, not we.
    if (!waiter_.pause() && is_zombie(tracee.tid)) return 0;
  }
  if (WIFSTOPPED(status)) return status;
  // The caller still holds the tracee; its death is for the loop to hear of.
  post([this, tid = tracee.tid, status] { on_death(tid, status); });
  return 0;
}

long Tracer::remote_syscall(Tracee& tracee, const arch::Registers& at, long nr,
                            const std::array<std::uint64_t, 6>& args) {
  const pid_t tid = tracee.tid;
  std::uint64_t mask = 0;
  std::uint64_t all = ~std::uint64_t{0};
  if (!ptrace_call::get_signal_mask(tid, &mask)) return -ESRCH;
  arch::Registers call = at;
  for (int i = 0; i < 6; ++i) call.set_arg(i, args[static_cast<std::size_t>(i)]);
  call.set_syscall(nr);
  if (runtime_.untraced() && find_syscall(static_cast<int>(nr), Way::kPtrace))
    set_trace_mark(&call);
  call.rewind(nr);
  ptrace_call::set_signal_mask(tid, &all);
  ptrace_call::set_registers(tid, call);
  // The entry stop, perhaps a seccomp stop in between, and the exit stop.
  int syscall_stops = 0;
  bool stop_signal = false;
  while (syscall_stops < 2) {
    ptrace_call::resume_to_exit(tid);
    const int status = next_remote_stop(tracee);
    if (status == 0) return -ESRCH;
    if (WSTOPSIG(status) == (SIGTRAP | 0x80)) ++syscall_stops;
    // The one signal that no mask keeps away.
    if (WSTOPSIG(status) == SIGSTOP && status >> 16 == 0) stop_signal = true;
  }
  arch::Registers after;
  long result = -ESRCH;
  if (ptrace_call::get_registers(tid, &after)) result = after.result();
  arch::Registers restored = at;
  ptrace_call::set_registers(tid, restored);
  ptrace_call::set_signal_mask(tid, &mask);
  if (stop_signal) kill(tid, SIGSTOP);
  return result;
}

}  // namespace warren
