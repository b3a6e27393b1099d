// Guests that run untraced: the tracer attaches for the moment that something needs a stop, and
// leaves again. What asks for a process's being traced for longer is few: an init, whose signals
// and end are not those of others, until its agent sees to the signals (leave_init()); robust
// mutexes that other processes wait for; handlers that see a sender's number; filters of its own,
// or no Landlock domain.
#include <dirent.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <future>

#include "tracer/pidfd_info.h"
#include "tracer/proc_stat.h"
#include "tracer/process_flags.h"
#include "tracer/ptrace.h"
#include "tracer/syscall_table.h"
#include "tracer/tracer.h"

namespace warren {

namespace {
constexpr std::chrono::milliseconds kMostBetweenLooks{64};

// Whether the host has such lists (CONFIG_PROC_CHILDREN).
bool host_lists_children() {
  static const bool lists = access("/proc/thread-self/children", R_OK) == 0;
  return lists;
}
}  // namespace

pid_t Tracer::parent_or_process_of(pid_t tid) {
  const UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, tid, 0)));
  if (!pidfd.ok() && errno == ESRCH) return 0;
  if (const pid_t parent = pidfd.ok() ? parent_by_pidfd(pidfd.get()) : 0; parent != 0)
    return parent;
  const ProcStatus status = read_proc_status(tid);
  return status.process == tid ? status.parent : status.process;
}

Result<void> Tracer::leave_guests_untraced() {
  runtime_.set_untraced();
  return death_watch_.start(
      [this](const Ref<ThreadGroup>& process, bool gone) { process_ended(process, gone); },
      [this](pid_t, std::uint64_t key) {
        runtime_.agent_forks().stranger_died(key);
        if (awaits_deaths_) post([] {});
      },
      [this] { return runtime_.agent_forks().settle(); });
}

bool Tracer::do_now(const std::function<void()>& work) {
  if (is_own_thread()) {
    work();
    return true;
  }
  std::promise<void> done;
  if (!post([&] {
        work();
        done.set_value();
      })) {
    return false;
  }
  done.get_future().wait();
  return true;
}

bool Tracer::stays_traced(const ThreadGroup& process) const {
  if (!runtime_.untraced()) return true;
  return has_flag(process, ProcessFlag::kTraced) || has_flag(process, ProcessFlag::kSharesMemory) ||
         has_flag(process, ProcessFlag::kNoAgent) || has_flag(process, ProcessFlag::kGuestTraced) ||
         has_flag(process, ProcessFlag::kTracesGuests) ||
         ((process.is_init() || !process.parent()) && !has_flag(process, ProcessFlag::kLeftInit));
}

// Only the container's own: the end of one below waits for its namespace's, which takes a stop.
bool Tracer::leave_init(ThreadGroup& process) {
  if (!process.is_init() || process.parent() || process.nr_threads() != 1 ||
      has_flag(process, ProcessFlag::kLeftInit) ||
      !has_flag(process, ProcessFlag::kSignalsServed)) {
    return false;
  }
  set_flag(process, ProcessFlag::kLeftInit);
  return true;
}

void Tracer::trace_init(ThreadGroup& process) {
  if (!has_flag(process, ProcessFlag::kLeftInit)) return;
  set_flag(process, ProcessFlag::kLeftInit, false);
  do_now([&] { refresh_options(process); });
}

bool Tracer::wants_trace(const Tracee& tracee) const {
  return !tracee.task || tracee.call || tracee.redo || tracee.agent || tracee.held_at_exit ||
         forks_.keeps(tracee.tid) || freezes_.contains(tracee.task.get()) ||
         stays_traced(tracee.task->group());
}

Tracee* Tracer::seize(const Ref<Task>& task) {
  const pid_t tid = task->level0();
  if (Tracee* const tracee = find(tid); tracee && tracee->task == task) return tracee;
  if (!task->alive()) return nullptr;
  const unsigned options = wanted_options(*task);
  if (ptrace_call::raw(PTRACE_SEIZE, tid, nullptr,
                       reinterpret_cast<void*>(static_cast<std::uintptr_t>(options))) != 0) {
    return nullptr;
  }
  Tracee& tracee = add(tid, task);
  tracee.options = options;
  return &tracee;
}

bool Tracer::leave(Tracee& tracee, int signal) {
  ThreadGroup& process = tracee.task->group();
  if (process.parent()) {
    if (!death_watch_.watch(process)) return false;
  } else {
    // An own child, whose end is seen by wait(2), as a stop is.
    waiter_.hear_of_stops();
  }
  if (has_flag(process, ProcessFlag::kGroupStopped)) {
    set_flag(process, ProcessFlag::kGroupStopped, false);
  }
  if (ptrace_call::raw(PTRACE_DETACH, tracee.tid, nullptr,
                       reinterpret_cast<void*>(static_cast<std::intptr_t>(signal))) != 0) {
    return false;  // it is dying, and its death is told by wait(2)
  }
  const auto it = tracees_.find(tracee.tid);
  left_.push_back(std::move(it->second));
  tracees_.erase(it);
  return true;
}

void Tracer::redo(pid_t tid, int nr, std::uint64_t after_syscall, int listener,
                  std::uint64_t notification) {
  const auto attach = [this, tid, nr, after_syscall, listener, notification] {
    const Ref<Task> task = runtime_.task_of(tid);
    Tracee* const tracee = task ? seize(task) : nullptr;
    seccomp_notif_resp answer{};
    answer.id = notification;
    if (tracee && ptrace_call::raw(PTRACE_INTERRUPT, tid, nullptr, nullptr) == 0) {
      tracee->redo = Tracee::Redo{.nr = nr, .after_syscall = after_syscall, .guest = {}};
    } else {
      // It is dying; or somebody else traces it, and warren cannot serve it.
      answer.error = -EPERM;
    }
    ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
  };
  if (post(attach)) return;
  seccomp_notif_resp answer{};
  answer.id = notification;
  answer.error = -ENOSYS;
  ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
}

void Tracer::set_trace_mark(arch::Registers* call) {
  const TraceMark mark = trace_mark(static_cast<int>(call->syscall()));
  const std::uint64_t before = call->arg(mark.argument);
  call->set_arg(mark.argument, mark.upper
                                   ? (before & 0xffffffff) | std::uint64_t{TraceMark::kWord} << 32
                                   : TraceMark::kWord);
}

bool Tracer::take_redone(Tracee& tracee, arch::Registers* regs) {
  if (!tracee.redo || !tracee.redo->issued) return false;
  ptrace_call::set_signal_mask(tracee.tid, &tracee.redo->signal_mask);
  const int argument = trace_mark(tracee.redo->nr).argument;
  regs->set_arg(argument, tracee.redo->guest.arg(argument));
  tracee.redo.reset();
  return true;
}

// At the stop behind the call that was answered with nothing. No signal may come between this and
// the call: its handler would find the mark in its registers.
void Tracer::reissue(Tracee& tracee) {
  Tracee::Redo& redo = *tracee.redo;
  arch::Registers regs;
  std::uint64_t all = ~std::uint64_t{0};
  if (!ptrace_call::get_registers(tracee.tid, &regs) || regs.ip() != redo.after_syscall ||
      !ptrace_call::get_signal_mask(tracee.tid, &redo.signal_mask)) {
    tracee.redo.reset();
    return;
  }
  ptrace_call::set_signal_mask(tracee.tid, &all);
  redo.guest = regs;
  redo.issued = true;
  regs.set_syscall(redo.nr);
  set_trace_mark(&regs);
  regs.rewind(redo.nr);
  ptrace_call::set_registers(tracee.tid, regs);
}

void Tracer::trace(ThreadGroup& process) {
  if (!runtime_.untraced()) return;
  // First, so that threads which are being made are attached to by whoever makes them.
  set_flag(process, ProcessFlag::kTraced);
  do_now([&] { refresh_options(process); });
}

// Attaching for the exec event would not do: while one thread's exec waits for a traced one to be
// reaped, attaching to a third waits for the exec.
void Tracer::exec_begins(Task& task) {
  ThreadGroup& process = task.group();
  // Whose agent has not seen to it.
  trace_init(process);
  if (stays_traced(process) || (task.is_leader() && process.nr_threads() == 1)) return;
  set_flag(process, ProcessFlag::kExecPending);
}

void Tracer::exec_ended(Task& caller) {
  ThreadGroup& process = caller.group();
  // Any other thread that calls is one of the old program's.
  if (!caller.is_leader()) return;
  const pid_t tgid = process.level0();
  for (const Ref<Task>& thread : process.threads()) {
    if (thread == &caller || !thread->alive()) continue;
    if (syscall(SYS_tgkill, tgid, thread->level0(), 0) == 0 || errno != ESRCH) return;
  }
  set_flag(process, ProcessFlag::kExecPending, false);
  set_flag(process, ProcessFlag::kLeaderEnded, false);
  exec_by_thread(caller);
}

bool Tracer::leave_untraced(const Ref<Task>& task) {
  if (stays_traced(task->group()) || freezing_) {
    bool traced = false;
    do_now([&] {
      traced = seize(task) != nullptr;
      if (traced) interrupt_if_frozen(*task);
    });
    if (traced) return true;
  }
  // Who is to be traced and cannot be any more is dying: nobody but the watch tells of its end.
  const bool runs = !stays_traced(task->group());
  if (!task->is_leader()) return runs;
  ThreadGroup& process = task->group();
  if (death_watch_.adopt_stranger(process.level0(), process)) return runs;
  const auto watched = death_watch_.watch(process);
  if (watched) return runs;
  if (watched.error_code() == ESRCH) {
    process_ended(Ref<ThreadGroup>(process), true);
    return runs;
  }
  // Without a descriptor for it, its death is seen by wait(2).
  trace(process);
  return runs;
}

bool Tracer::watch_stranger(pid_t host, std::uint64_t key) {
  const auto watched = death_watch_.watch_stranger(host, key);
  return watched || watched.error_code() != ESRCH;
}

bool Tracer::take_in_news(const Task* still) {
  if (!runtime_.untraced()) return true;
  // In this order: those that become known now may have ended already.
  const bool all = runtime_.agent_forks().settle_all_that_run();
  death_watch_.drain();
  if (!runtime_.agent_forks().has_new_orphans()) return all;
  return look_for_lost_children(still) && all;
}

void Tracer::take_in_newborn() {
  constexpr int kRounds = 50;
  constexpr auto kMoment = std::chrono::microseconds(200);
  // One that went round the agent never notes whose it is, and must not make others wait each time.
  constexpr auto kLong = std::chrono::seconds(1);
  const bool patient = std::chrono::steady_clock::now() >= impatient_until_.load();
  for (int i = 0; !take_in_news(); ++i) {
    if (!patient) return;
    if (i == kRounds) {
      impatient_until_ = std::chrono::steady_clock::now() + kLong;
      return;
    }
    std::this_thread::sleep_for(kMoment);
  }
}

void Tracer::expect_news() { death_watch_.expect_news(); }

void Tracer::count_time(const Task& task, CpuTime time) {
  if (!runtime_.untraced()) {
    runtime_.group_host().ended(task, time);  // of every task, so no child's can be missing
    return;
  }
  ThreadGroup& process = task.group();
  CpuTime with_children = time;
  if (task.is_leader()) {
    const CpuTime own = waited_times_.own(process);
    const CpuTime elsewhere = waited_times_.elsewhere(process);
    time = {time.user + own.user, time.system + own.system};
    with_children = {time.user + elsewhere.user, time.system + elsewhere.system};
  }
  runtime_.group_host().ended(task, time);
  // An orphan's time comes to a process of the host's.
  const Ref<ThreadGroup> parent = process.parent();
  if (parent && !has_flag(process, ProcessFlag::kOrphaned)) {
    waited_times_.counted(*parent, with_children);
  }
}

void Tracer::end_threads(ThreadGroup& process, int status) {
  runtime_.stats().deaths.fetch_add(1, std::memory_order_relaxed);
  // The first one last.
  std::vector<Ref<Task>> threads = process.threads();
  for (auto it = threads.rbegin(); it != threads.rend(); ++it) end_task(*it, status);
}

void Tracer::ended_unseen(ThreadGroup& process) {
  const std::lock_guard lock(deaths_mutex_);
  if (process.state() == GroupState::kAlive) {
    if (const Ref<ThreadGroup> parent = process.parent()) waited_times_.unseen(*parent, process);
    end_threads(process, 0);
  }
  // Not by asking for its number, which may be another's already.
  if (process.state() != GroupState::kZombie) return;
  runtime_.remember_reaped(process);
  reap(process);
}

void Tracer::process_ended(const Ref<ThreadGroup>& process, bool gone) {
  if (gone) {
    runtime_.agent_forks().child_gone(*process);
    ended_unseen(*process);
    death_watch_.forget(*process);
  } else {
    const std::lock_guard lock(deaths_mutex_);
    if (process->state() == GroupState::kAlive) {
      const Ref<Task> leader = process->leader();
      if (leader) count_time(*leader, TracerGroupHost::read_cpu_time(process->level0(), *leader));
      end_threads(*process, read_proc_stat(process->level0()).exit_code);
    }
    if (process->state() == GroupState::kZombie) reap_if_gone(*process);
  }
  if (awaits_deaths_) post([] {});
}

void Tracer::thread_ended(Task& task) {
  if (!runtime_.untraced() || task.is_leader() || stays_traced(task.group())) return;
  count_time(task, TracerGroupHost::read_cpu_time(task.level0(), task));
  end_task(Ref<Task>(task), 0);
}

void Tracer::waited_for(ThreadGroup& child, const ThreadGroup& parent, const CpuTime* time) {
  if (child.state() == GroupState::kZombie) {
    const std::lock_guard lock(deaths_mutex_);
    reap_if_gone(child);
  } else if (runtime_.untraced() && kill(child.level0(), 0) != 0 && errno == ESRCH) {
    // Nobody can look up any more what it used; its parent's kernel has said it.
    const Ref<Task> leader = child.leader();
    if (time && leader) {
      const std::lock_guard lock(deaths_mutex_);
      // Those that it waited for itself were counted at their own ends.
      const CpuTime elsewhere = waited_times_.elsewhere(child);
      runtime_.group_host().ended(*leader,
                                  {time->user - std::min(time->user, elsewhere.user),
                                   time->system - std::min(time->system, elsewhere.system)});
      waited_times_.counted(parent, *time);
      end_threads(child, 0);
    }
    process_ended(Ref<ThreadGroup>(child), true);
  }
}

void Tracer::find_lost_child(const Task& parent, pid_t host) {
  AgentForks& forks = runtime_.agent_forks();
  if (!forks.has_quiet()) return;
  // Another thread of the same process may have made it, and be about to say so; an orphan's
  // brother is just about to note its key, and waits for a processor; or its parent has died, and
  // nobody watches that one yet. One that went round the agent never notes anything, and must not
  // make others wait each time.
  using Clock = std::chrono::steady_clock;
  const bool patient = Clock::now() >= not_lost_until_.load();
  const auto end = Clock::now() + std::chrono::milliseconds(patient ? 5000 : 10);
  for (auto pause = std::chrono::microseconds(200);;) {
    take_in_news(&parent);
    const bool told = forks.settle(parent.group(), &parent) == 0;
    // Asked first: what another thread finds meanwhile is seen below, or the next time.
    const bool more = !told || forks.has_new_orphans() || forks.publishing();
    if (is_known_child(host) || (told && adopt_lost_child(host))) return;
    if (!told && forks.adopt_vforked(parent.group(), host)) return;
    if (!more) return;
    if (Clock::now() >= end) break;
    std::this_thread::sleep_for(pause);
    pause = std::min(2 * pause, std::chrono::microseconds(5000));
  }
  not_lost_until_ = Clock::now() + std::chrono::seconds(10);
}

bool Tracer::is_known_child(pid_t host) const {
  return runtime_.task_of(host) || runtime_.reaped_lately(host);
}

// By one thread at a time: a zombie that one has found may be adopted by another.
bool Tracer::adopt_lost_child(pid_t host) {
  const std::lock_guard lock(lost_mutex_);
  return is_known_child(host) || runtime_.agent_forks().adopt_dead(host);
}

void Tracer::look_for_lost_children_now_and_then() {
  const auto now = std::chrono::steady_clock::now();
  if (now < next_look_) return;
  look_for_lost_children();
  // As long as there are any, and a look costs what there are processes.
  look_interval_ = runtime_.agent_forks().has_orphans()
                       ? std::min(2 * look_interval_, kMostBetweenLooks)
                       : std::chrono::milliseconds(1);
  next_look_ = now + look_interval_;
}

// Who may have inherited the children of dead guests: the supervisor, and the guests that the
// host's kernel knows as subreapers, which inits are.
std::vector<pid_t> Tracer::heirs_children() const {
  const pid_t self = getpid();
  std::vector<pid_t> children = read_proc_children(self, self);
  for (const Ref<ThreadGroup>& init : runtime_.agent_forks().inits_of_orphans()) {
    for (const Ref<Task>& thread : init->threads()) {
      const auto more = read_proc_children(init->level0(), thread->level0());
      children.insert(children.end(), more.begin(), more.end());
    }
  }
  return children;
}

bool Tracer::look_for_lost_children(const Task* still) {
  const auto now = std::chrono::steady_clock::now();
  bool unknown = false;
  std::vector<pid_t> zombies;
  // Our own helpers are nobody's guests.
  const int own_filters = read_proc_status(getpid()).filters;
  const auto look_at = [&](pid_t pid) {
    if (pid == getpid() || runtime_.task_of(pid)) return;
    const ProcStat stat = read_proc_stat(pid);
    const Ref<Task> parent = runtime_.task_of(stat.parent);
    if (stat.state == 0 || (!parent && stat.parent != getpid())) return;
    if (stat.state == 'Z' || stat.state == 'X') {
      if (!parent) return;
      if (runtime_.agent_forks().settle(parent->group(), still) != 0) {
        unknown = true;  // or it is one that its parent will tell of
      } else if (!runtime_.task_of(pid)) {
        zombies.push_back(pid);
      }
    } else if (read_proc_status(pid).filters > own_filters &&
               !runtime_.agent_forks().adopt(pid, AgentForks::Claim::kOwnKey)) {
      unknown = true;
    }
  };
  if (host_lists_children() && !runtime_.has_subreapers()) {
    for (const pid_t pid : heirs_children()) look_at(pid);
  } else if (DIR* proc = opendir("/proc")) {
    while (const dirent* entry = readdir(proc)) {
      if (const pid_t pid = std::atoi(entry->d_name); pid > 0) look_at(pid);
    }
    closedir(proc);
  }
  runtime_.agent_forks().looked_for_orphans(now, unknown);
  // One that lives may be whom another is missing.
  if (!unknown) {
    for (const pid_t pid : zombies) adopt_lost_child(pid);
  }
  runtime_.agent_forks().drop_orphans();
  return !unknown;
}

}  // namespace warren
