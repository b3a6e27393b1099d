// ptrace(2) by guests: attaching, showing stops, letting go. See guest_trace.h.
#include "tracer/guest_trace.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "inject/image.h"
#include "tracer/proc_stat.h"
#include "tracer/process_flags.h"
#include "tracer/ptrace.h"
#include "tracer/remote_memory.h"
#include "tracer/sent_signal.h"
#include "tracer/signal_permission.h"
#include "tracer/tracer.h"

namespace warren {

namespace {

constexpr unsigned kOptionsMask = 0xff | PTRACE_O_EXITKILL | PTRACE_O_SUSPEND_SECCOMP;
constexpr int kMostSignal = 64;

int event_code(int event, int signal = SIGTRAP) { return signal | event << 8; }

bool option(const GuestTrace& guest, int event) { return ((guest.options >> event) & 1) != 0; }

bool at_syscall_entry(pid_t tid) {
  __ptrace_syscall_info info;
  return ptrace_call::raw(PTRACE_GET_SYSCALL_INFO, tid, reinterpret_cast<void*>(sizeof info),
                          &info) > 0 &&
         info.op == PTRACE_SYSCALL_INFO_ENTRY;
}

bool waits_for_children(const Tracee& tracee) {
  if (tracee.agent_may_wait) return true;
  if (!tracee.call) return false;
  const long nr = tracee.call->guest.syscall();
  return nr == SYS_wait4 || nr == SYS_waitid;
}

}  // namespace

Tracee* Tracer::begin_guest_trace(const Ref<Task>& task, GuestTrace guest) {
  ThreadGroup& process = task->group();
  ThreadGroup& tracer = *guest.process;
  // First: who is attached to because of it has the options from the beginning.
  if (!has_flag(process, ProcessFlag::kGuestTraced)) {
    set_flag(process, ProcessFlag::kGuestTraced);
    runtime_.agents().leave_alone(*task);
  }
  Tracee* const tracee = runtime_.untraced() ? seize(task) : find(task->level0());
  if (!tracee || tracee->task != task) {
    guest_trace_ended(process);
    return nullptr;
  }
  tracee->guest = std::make_unique<GuestTrace>(std::move(guest));
  tracee->guest->parent = process.parent();
  guest_traces_.add(*tracee);
  if (!has_flag(tracer, ProcessFlag::kTracesGuests)) {
    set_flag(tracer, ProcessFlag::kTracesGuests);
    ask_for_waits(tracer);
  }
  if (runtime_.untraced()) refresh_options(process);
  update_options(*tracee);
  if (tracee->options != wanted_options(*task)) {
    ptrace_call::raw(PTRACE_INTERRUPT, tracee->tid, nullptr, nullptr);
  }
  return tracee;
}

// Its waits are for more than the kernel knows of: those under way are made anew.
void Tracer::ask_for_waits(ThreadGroup& process) {
  bool told = false;
  for (const Ref<Task>& thread : process.threads()) {
    if (!thread->alive()) continue;
    if (!told) runtime_.agents().leave_alone(*thread);
    told = true;
    Tracee* const tracee = runtime_.untraced() ? seize(thread) : find(thread->level0());
    if (!tracee) continue;
    tracee->agent_may_wait = runtime_.untraced();
    ptrace_call::raw(PTRACE_INTERRUPT, tracee->tid, nullptr, nullptr);
  }
}

// At an event stop. A wait that the agent makes itself knows nothing of tracees: one that it is
// about to make, or was interrupted in, is asked for instead.
void Tracer::leave_agents_wait(Tracee& tracee) {
  if (!tracee.agent_may_wait) return;
  constexpr long kRestartSys = -512;
  const inject::Header& header = inject::agent_header();
  arch::Registers regs;
  if (!ptrace_call::get_registers(tracee.tid, &regs)) return;
  const std::uint64_t ip = regs.ip();
  if (ip < header.services[inject::kServeWait4] || ip > header.wait_ip) return;
  if (ip == header.wait_ip && regs.result() != kRestartSys) return;  // it has waited
  if (ip >= header.wait_saved) {
    regs.set_ip(header.wait_asking);
  } else {
    if (ip >= header.wait_framed) regs.set_sp(regs.sp() + header.wait_frame);
    regs.set_ip(header.services[inject::kServeNone]);
  }
  regs.set_syscall(-1);
  ptrace_call::set_registers(tracee.tid, regs);
  tracee.agent_may_wait = false;
}

long Tracer::guest_traceme(Task& caller) {
  const Tracee* const known = find(caller.level0());
  ThreadGroup& process = caller.group();
  const Ref<ThreadGroup> parent = process.parent();
  if (!parent || (known && known->guest)) return -EPERM;
  // The kernel's Landlock would refuse it: the parent would get out of its domain.
  if (has_flag(process, ProcessFlag::kOutsider) && !has_flag(*parent, ProcessFlag::kOutsider)) {
    return -EPERM;
  }
  if (parent->state() != GroupState::kAlive) return 0;
  const bool begun = begin_guest_trace(Ref<Task>(caller), {.process = parent}) != nullptr;
  return begun ? 0 : -ESRCH;
}

long Tracer::check_guest_attach(const Task& caller, const Ref<Task>& target, bool seizes,
                                std::uint64_t address, std::uint64_t options) {
  if (!target) return -ESRCH;
  if (seizes && (address != 0 || (options & ~std::uint64_t{kOptionsMask}) != 0)) return -EIO;
  if (seizes && (options & PTRACE_O_SUSPEND_SECCOMP)) return -EPERM;  // ptrace(2): privileged
  if (&target->group() == &caller.group() || !target->alive()) return -EPERM;
  if (has_flag(target->group(), ProcessFlag::kNotDumpable)) return -EPERM;
  const Tracee* const known = find(target->level0());
  if (known && known->guest) return -EPERM;
  // A child that is ours, and has not come to its first stop.
  if ((!known || known->task != target) && traces(target->level0())) return kNotYet;
  return 0;
}

long Tracer::guest_attach(Task& caller, const Ref<Task>& target, bool seizes,
                          std::uint64_t options) {
  if (const long error = check_guest_attach(caller, target, seizes, 0, options)) return error;
  GuestTrace guest{.process = Ref<ThreadGroup>(caller.group()), .thread = Ref<Task>(caller)};
  guest.seized = seizes;
  guest.options = seizes ? static_cast<unsigned>(options) : 0;
  guest.attaching = !seizes;
  Tracee* const tracee = begin_guest_trace(target, std::move(guest));
  if (!tracee) return -ESRCH;
  // One that is stopped is to say so: the kernel keeps quiet about a stop that it has told of.
  if (tracee->listening) ptrace_call::raw(PTRACE_INTERRUPT, tracee->tid, nullptr, nullptr);
  if (!seizes) syscall(SYS_tgkill, target->group().level0(), tracee->tid, SIGSTOP);
  return 0;
}

// A child whose parent's fork is traced with it. At its first stop.
void Tracer::inherit_guest_trace(Tracee& child, const Forks::Child& fork) {
  const Tracee* const parent = fork.parent ? find(fork.parent->level0()) : nullptr;
  if (!parent || !parent->guest) return;
  const ForkRequest& request = fork.request;
  const GuestTrace& from = *parent->guest;
  const bool follows = (request.flags & CLONE_UNTRACED) == 0 && option(from, fork_event(request));
  if (!follows && (request.flags & CLONE_PTRACE) == 0) return;
  GuestTrace guest{.process = from.process, .thread = from.thread};
  guest.seized = from.seized;
  guest.options = from.options;
  guest.attaching = !from.seized;
  begin_guest_trace(child.task, std::move(guest));
  // Before PTRACE_SEIZE was there, a new tracee began with a SIGSTOP.
  if (!from.seized) syscall(SYS_tgkill, child.task->group().level0(), child.tid, SIGSTOP);
}

void Tracer::show(Tracee& tracee, GuestStop stop) {
  GuestTrace& guest = *tracee.guest;
  const int why = stop.kind == GuestStop::Kind::kGroup ? CLD_STOPPED : CLD_TRAPPED;
  guest.stop = std::move(stop);
  guest.interrupted = false;  // as the kernel has it: any stop will do
  tell_guest(*guest.process, *tracee.task, why, guest.stop->code & 0x7f);
  if (!freezes_.empty()) report_if_still(tracee.task);
}

void Tracer::tell_guest(ThreadGroup& tracer, const Task& tracee, int code, int status) {
  for (const Ref<Task>& thread : tracer.threads()) {
    Tracee* const waiter = find(thread->level0());
    if (waiter && waits_for_children(*waiter)) {
      ptrace_call::raw(PTRACE_INTERRUPT, waiter->tid, nullptr, nullptr);
    }
  }
  const ProcStatus signals = read_proc_status(tracer.level0());
  if ((((signals.caught | signals.blocked) >> (SIGCHLD - 1)) & 1) == 0) return;
  sent_signal::send_child_news(tracer.level0(), tracee.nr_in(*tracer.ns()),
                               real_uid_of(tracee.level0()), code, status);
}

void Tracer::guest_left_syscall(Tracee& tracee, bool repeated) {
  GuestTrace& guest = *tracee.guest;
  // It is made again, by a way of ours; this stop has taken the place of the event stop.
  if (tracee.redo) {
    if (!tracee.redo->issued) reissue(tracee);
    return go_on(tracee);
  }
  if (repeated) {
    guest.hides_entry = true;
    return go_on(tracee);
  }
  if (guest.stops_at_syscalls()) {
    return show(tracee, {.kind = GuestStop::Kind::kSyscall, .code = syscall_code(guest)});
  }
  if (guest.steps() && !std::exchange(guest.steps_again, false)) {
    // The step over this call: we had it end with a stop of another kind.
    siginfo_t info{};
    info.si_signo = SIGTRAP;
    info.si_code = TRAP_BRKPT;
    arch::Registers regs;
    if (ptrace_call::get_registers(tracee.tid, &regs)) {
      info.si_addr = reinterpret_cast<void*>(regs.ip());
    }
    return show(tracee, {.kind = GuestStop::Kind::kSyscall, .code = SIGTRAP, .info = info});
  }
  go_on(tracee);
}

// At the stop of a call that was made again: registers and mask are the tracee's own once more.
void Tracer::guest_call_redone(Tracee& tracee) {
  GuestTrace& guest = *tracee.guest;
  // The end of the first try was a step, and its SIGTRAP comes now.
  guest.steps_again = guest.steps();
}

void Tracer::on_guests_filter(Tracee& tracee, arch::Registers& regs) {
  if (tracee.guest && option(*tracee.guest, PTRACE_EVENT_SECCOMP)) {
    return show(tracee, {.kind = GuestStop::Kind::kEvent,
                         .code = event_code(PTRACE_EVENT_SECCOMP),
                         .after = {},
                         .message = ptrace_call::event_message(tracee.tid)});
  }
  // seccomp(2), SECCOMP_RET_TRACE: nobody is there who would be told.
  regs.set_syscall(-1);
  regs.set_result(-ENOSYS);
  ptrace_call::set_registers(tracee.tid, regs);
  go_on(tracee);
}

bool Tracer::guest_enters_syscall(Tracee& tracee) {
  GuestTrace& guest = *tracee.guest;
  if (!at_syscall_entry(tracee.tid)) return false;
  const bool hidden = std::exchange(guest.hides_entry, false) || tracee.redo;
  if (!hidden && (guest.stops_at_syscalls() || guest.emulates_syscalls())) {
    show(tracee, {.kind = GuestStop::Kind::kSyscall, .code = syscall_code(guest)});
  } else {
    go_on(tracee);
  }
  return true;
}

int Tracer::syscall_code(const GuestTrace& guest) {
  return guest.options & PTRACE_O_TRACESYSGOOD ? SIGTRAP | 0x80 : SIGTRAP;
}

int Tracer::fork_event(const ForkRequest& request) {
  if (request.flags & CLONE_VFORK) return PTRACE_EVENT_VFORK;
  return request.exit_signal != SIGCHLD ? PTRACE_EVENT_CLONE : PTRACE_EVENT_FORK;
}

// PTRACE_EVENT_FORK and its kin, PTRACE_EVENT_VFORK_DONE. The end of the call is awaited by us.
void Tracer::on_fork_event(Tracee& tracee, int event) {
  const Resumption after{tracee.call ? Resumption::How::kToExit : Resumption::How::kResume};
  const auto host = static_cast<pid_t>(ptrace_call::event_message(tracee.tid));
  const bool done = event == PTRACE_EVENT_VFORK_DONE;
  bool untraced = false;
  if (!done && tracee.call && tracee.call->fork != 0) {
    untraced = forks_.announced(tracee.call->fork, host);
  }
  if (!tracee.guest || untraced || !option(*tracee.guest, event)) return go_on(tracee, after);
  const Nr nr = runtime_.to_guest_or_reaped(*tracee.guest->process->ns(), host);
  GuestStop stop{.kind = GuestStop::Kind::kEvent,
                 .code = event_code(event),
                 .after = after,
                 .message = static_cast<unsigned long>(nr)};
  if (done || find(host)) {
    show(tracee, std::move(stop));
  } else {
    // Whoever is told of a new tracee may wait for it.
    tracee.guest->awaited_child = host;
    tracee.guest->postponed = std::move(stop);
  }
}

void Tracer::child_has_come(pid_t host) {
  for (Tracee* const tracee : guest_traces_.all()) {
    GuestTrace& guest = *tracee->guest;
    if (guest.awaited_child != host) continue;
    guest.awaited_child = 0;
    return show(*tracee, *std::exchange(guest.postponed, std::nullopt));
  }
}

// `former`: the number of the thread that called, as the guest that traces knows it.
bool Tracer::show_exec(Tracee& tracee, Nr former) {
  const GuestTrace& guest = *tracee.guest;
  if (option(guest, PTRACE_EVENT_EXEC)) {
    show(tracee, {.kind = GuestStop::Kind::kEvent,
                  .code = event_code(PTRACE_EVENT_EXEC),
                  .after = {},
                  .message = static_cast<unsigned long>(former)});
    return true;
  }
  // ptrace(2): "if the PTRACE_O_TRACEEXEC option is not in effect, ... SIGTRAP"
  if (!guest.seized) {
    sent_signal::send(tracee.task->group().level0(), tracee.tid, SIGTRAP, SI_USER,
                      tracee.task->vnr(), real_uid_of(tracee.tid));
  }
  return false;
}

bool Tracer::show_exit(Tracee& tracee) {
  GuestTrace& guest = *tracee.guest;
  if (!option(guest, PTRACE_EVENT_EXIT) || std::exchange(guest.exiting, true)) return false;
  show(tracee, {.kind = GuestStop::Kind::kEvent,
                .code = event_code(PTRACE_EVENT_EXIT),
                .after = {},
                .message = ptrace_call::event_message(tracee.tid)});
  return true;
}

// A group-stop, or PTRACE_EVENT_STOP for another reason. False: it is not the guest's to see.
bool Tracer::show_event_stop(Tracee& tracee, int signal, bool was_stopped) {
  GuestTrace& guest = *tracee.guest;
  if (signal == SIGTRAP) {
    if (!guest.seized || (!guest.interrupted && !was_stopped)) return false;
    if (tracee.redo) {
      // Its registers are not its own just now.
      guest.interrupted = true;
      return false;
    }
  }
  const int code = guest.seized ? event_code(PTRACE_EVENT_STOP, signal) : signal;
  show(tracee, {.kind = GuestStop::Kind::kGroup, .code = code});
  return true;
}

void Tracer::show_signal(Tracee& tracee, int signal) {
  show(tracee, {.kind = GuestStop::Kind::kSignal,
                .code = signal,
                .after = {Resumption::How::kResume, signal}});
}

long Tracer::guest_request(Task& caller, long request, Nr nr, std::uint64_t address,
                           std::uint64_t data) {
  const Ref<Task> target = runtime_.kernel().find_task(*caller.ns(), nr);
  Tracee* const tracee = target ? find(target->level0()) : nullptr;
  if (!tracee || tracee->task != target || !tracee->guest) return -ESRCH;
  GuestTrace& guest = *tracee->guest;
  if (guest.process != &caller.group()) return -ESRCH;
  if (!guest.thread) guest.thread = Ref<Task>(caller);
  if (guest.thread != &caller) return -ESRCH;
  switch (request) {
    case PTRACE_KILL:
      kill(target->group().level0(), SIGKILL);
      return 0;
    case PTRACE_INTERRUPT:
      if (!guest.seized) return -EIO;
      guest.interrupted = true;
      ptrace_call::raw(PTRACE_INTERRUPT, tracee->tid, nullptr, nullptr);
      return 0;
    default:
      break;
  }
  if (!guest.stop) return -ESRCH;
  switch (request) {
    case PTRACE_SETOPTIONS:
      if (data & ~std::uint64_t{kOptionsMask}) return -EINVAL;
      if (data & PTRACE_O_SUSPEND_SECCOMP) return -EPERM;
      guest.options = static_cast<unsigned>(data);
      return 0;
    case PTRACE_CONT:
    case PTRACE_SYSCALL:
    case PTRACE_SINGLESTEP:
    case PTRACE_SINGLEBLOCK:
    case PTRACE_SYSEMU:
    case PTRACE_SYSEMU_SINGLESTEP:
      if (data > kMostSignal) return -EIO;
      guest.resume = static_cast<int>(request);
      end_guest_stop(*tracee, static_cast<int>(data));
      return 0;
    case PTRACE_LISTEN:
      if (!guest.seized || guest.stop->code >> 8 != PTRACE_EVENT_STOP) return -EIO;
      guest.stop.reset();
      go_on(*tracee, {Resumption::How::kListen});
      return 0;
    case PTRACE_DETACH:
      if (data > kMostSignal) return -EIO;
      detach_guest(*tracee, static_cast<int>(data));
      return 0;
    default:
      return serve_data_request(runtime_, *tracee, RemoteMemory(caller.level0()), request, address,
                                data);
  }
}

// `signal`: what it is to get; 0: none.
void Tracer::end_guest_stop(Tracee& tracee, int signal) {
  GuestTrace& guest = *tracee.guest;
  const GuestStop stop = *std::exchange(guest.stop, std::nullopt);
  go_on_from(tracee, stop, signal);
}

void Tracer::go_on_from(Tracee& tracee, const GuestStop& stop, int signal) {
  Resumption after = stop.after;
  switch (stop.kind) {
    case GuestStop::Kind::kSignal: {
      siginfo_t info{};
      if (signal != 0 && ptrace_call::get_siginfo(tracee.tid, &info) && info.si_signo != signal) {
        // The kernel would name the supervisor, who injects it.
        info = {};
        info.si_signo = signal;
        info.si_code = SI_USER;
        if (tracee.guest) info.si_pid = tracee.guest->process->nr_in(*tracee.task->ns());
        info.si_uid = real_uid_of(tracee.tid);
        ptrace_call::set_siginfo(tracee.tid, &info);
      }
      after.signal = signal;
      break;
    }
    case GuestStop::Kind::kSyscall:
      // Not injected, but sent, as the kernel does it.
      if (signal != 0) {
        sent_signal::send(tracee.task->group().level0(), tracee.tid, signal, SI_USER, 0, 0);
      }
      break;
    case GuestStop::Kind::kGroup:
      break;
    case GuestStop::Kind::kEvent:
      if (stop.code == event_code(PTRACE_EVENT_EXIT)) return on_exit_event(tracee);
      break;
  }
  go_on(tracee, after);
}

void Tracer::drop_guest(Tracee& tracee) {
  guest_traces_.remove(tracee);
  const Ref<ThreadGroup> tracer = tracee.guest->process;
  tracee.guest.reset();
  guest_trace_ended(tracee.task->group());
  end_tracing_if_done(*tracer);
}

void Tracer::end_tracing_if_done(ThreadGroup& tracer) {
  if (!has_flag(tracer, ProcessFlag::kTracesGuests)) return;
  if (guest_traces_.any_of(tracer) || guest_traces_.any_end_of(tracer)) return;
  set_flag(tracer, ProcessFlag::kTracesGuests, false);
  for (const Ref<Task>& thread : tracer.threads()) {
    if (!thread->alive()) continue;
    runtime_.agents().serve_again(*thread);
    break;
  }
}

std::optional<GuestNews> Tracer::take_guest_news(Task& waiter, const GuestWait& wait) {
  const auto news = guest_traces_.take(waiter, wait);
  end_tracing_if_done(waiter.group());
  return news;
}

void Tracer::told_of_end(ThreadGroup& tracer, pid_t process) {
  guest_traces_.told_by_kernel(tracer, process);
  end_tracing_if_done(tracer);
}

// Unless other threads of it are traced.
void Tracer::guest_trace_ended(ThreadGroup& process) {
  Ref<Task> any;
  for (const Ref<Task>& thread : process.threads()) {
    const Tracee* const tracee = find(thread->level0());
    if (tracee && tracee->guest) return;
    if (thread->alive()) any = thread;
  }
  set_flag(process, ProcessFlag::kGuestTraced, false);
  if (any) runtime_.agents().serve_again(*any);
}

// From a stop that is shown.
void Tracer::detach_guest(Tracee& tracee, int signal) {
  GuestStop stop = *std::exchange(tracee.guest->stop, std::nullopt);
  // A group-stop is still one.
  if (stop.kind == GuestStop::Kind::kGroup &&
      has_flag(tracee.task->group(), ProcessFlag::kGroupStopped)) {
    stop.after.how = Resumption::How::kListen;
  }
  drop_guest(tracee);
  update_options(tracee);
  go_on_from(tracee, stop, signal);
}

void Tracer::guest_ended(Tracee& tracee, int status) {
  const Ref<ThreadGroup> tracer = tracee.guest->process;
  const Ref<Task> thread = tracee.guest->thread;
  Task& task = *tracee.task;
  // The kernel tells its parent, and may have done so already: then it has none any more, and no
  // first thread.
  const bool is_process = tracee.tid == task.group().level0();
  Ref<ThreadGroup> parent = task.group().parent();
  if (!parent) parent = tracee.guest->parent;
  const bool told = is_process && parent == tracer;
  if (!told) {
    guest_traces_.ended({.tracer = tracer,
                         .thread = thread,
                         .group = task.group().pgid(),
                         .process = is_process ? tracee.tid : 0,
                         .news = {.nr = task.nr_in(*tracer->ns()),
                                  .uid = real_uid_of(tracer->level0()),
                                  .status = status,
                                  .time = {}}});
  }
  drop_guest(tracee);
  if (told) return;
  const int code = WIFEXITED(status) ? CLD_EXITED : WCOREDUMP(status) ? CLD_DUMPED : CLD_KILLED;
  tell_guest(*tracer, task, code, WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
}

Tracer::GuestTracer Tracer::guest_trace_of(const Task& task) {
  const Tracee* const tracee = find(task.level0());
  if (!tracee || tracee->task != &task || !tracee->guest) return {};
  return {tracee->guest->process, tracee->guest->stop.has_value()};
}

void Tracer::waits_for_tracees_alone(const Task& waiter, const GuestWait& wait) {
  if (Tracee* const tracee = find(waiter.level0())) tracee->waits_for_tracees_alone = wait;
}

bool Tracer::take_waits_for_tracees_alone(const Task& waiter, const GuestWait& wait) {
  Tracee* const tracee = find(waiter.level0());
  if (!tracee) return false;
  // It asks, and goes on asking.
  tracee->agent_may_wait = false;
  // News may have come before it was made again, so that this is another.
  return std::exchange(tracee->waits_for_tracees_alone, std::nullopt) == wait;
}

void Tracer::guest_tracer_ended(const Task& tracer, bool all) {
  ThreadGroup& process = tracer.group();
  const std::vector<Tracee*> tracees = guest_traces_.all();
  for (Tracee* const tracee : tracees) {
    GuestTrace& guest = *tracee->guest;
    if (guest.process != &process || (!all && guest.thread != &tracer)) continue;
    // ptrace(2), PTRACE_O_EXITKILL.
    if (guest.options & PTRACE_O_EXITKILL) kill(tracee->task->group().level0(), SIGKILL);
    if (guest.postponed) guest.stop = std::exchange(guest.postponed, std::nullopt);
    if (guest.stop) {
      // A signal that nobody was told of is delivered, and what has a signal's number is taken for
      // one: the kernel keeps both in one word.
      const GuestStop& stop = *guest.stop;
      const bool at_call = stop.kind == GuestStop::Kind::kSyscall && stop.code <= kMostSignal;
      detach_guest(*tracee, stop.told ? 0 : at_call ? stop.code : stop.after.signal);
    } else {
      drop_guest(*tracee);
      // So that it has its own options again, and is left if nothing else asks for its trace.
      ptrace_call::raw(PTRACE_INTERRUPT, tracee->tid, nullptr, nullptr);
    }
  }
  if (all) guest_traces_.forget_ends(process);
}

}  // namespace warren
