// Guests that run untraced: the tracer attaches for the moment that something needs a stop, and
// leaves again. What asks for a process's being traced for longer is few: an init, whose signals
// and end are not those of others; robust mutexes that other processes wait for; handlers that see
// a sender's number; filters of its own, or no Landlock domain.
#include <dirent.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <future>

#include "tracer/process_flags.h"
#include "tracer/ptrace.h"
#include "tracer/syscall_table.h"
#include "tracer/tracer.h"

namespace warren {

namespace {

// What /proc/PID/stat says of a process, as far as it is needed here.
struct ProcStat {
  char state = 0;  // 0: there is none such
  pid_t parent = 0;
  int exit_code = 0;
};

ProcStat read_stat(pid_t pid) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/stat", pid);
  const UniqueFd file(open(path, O_RDONLY | O_CLOEXEC));
  char text[1024];
  const ssize_t length = file.ok() ? read(file.get(), text, sizeof text - 1) : -1;
  if (length <= 0) return {};
  text[length] = 0;
  // The command may contain anything; the last parenthesis ends it.
  const char* const end = std::strrchr(text, ')');
  ProcStat stat;
  if (!end || std::sscanf(end + 1, " %c %d", &stat.state, &stat.parent) != 2) return {};
  // The last field but none (proc(5)).
  if (const char* const last = std::strrchr(end, ' ')) stat.exit_code = std::atoi(last);
  return stat;
}

// What /proc/PID/status says of a task; zeroes: it is gone.
struct ProcStatus {
  pid_t process = 0;
  pid_t parent = 0;
  int filters = 0;
};

ProcStatus read_status(pid_t tid) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/status", tid);
  FILE* file = std::fopen(path, "re");
  if (!file) return {};
  char line[256];
  ProcStatus status;
  while (std::fgets(line, sizeof line, file)) {
    std::sscanf(line, "Tgid: %d", &status.process);
    std::sscanf(line, "PPid: %d", &status.parent);
    if (std::sscanf(line, "Seccomp_filters: %d", &status.filters) == 1) break;
  }
  std::fclose(file);
  return status;
}

}  // namespace

pid_t Tracer::parent_or_process_of(pid_t tid) {
  const ProcStatus status = read_status(tid);
  return status.process == tid ? status.parent : status.process;
}

Result<void> Tracer::leave_guests_untraced() {
  runtime_.set_untraced();
  return death_watch_.start(
      [this](const Ref<ThreadGroup>& process, bool gone) { process_ended(process, gone); },
      [this](pid_t, std::uint64_t key) {
        runtime_.agent_forks().stranger_died(key);
        if (awaits_deaths_) post([] {});
      });
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
         has_flag(process, ProcessFlag::kNoAgent) || process.is_init() || !process.parent();
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
  if (!death_watch_.watch(process)) return false;
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

void Tracer::process_ended(const Ref<ThreadGroup>& process, bool gone) {
  {
    const std::lock_guard lock(deaths_mutex_);
    if (process->state() == GroupState::kAlive) {
      runtime_.stats().deaths.fetch_add(1, std::memory_order_relaxed);
      const Ref<Task> leader = process->leader();
      int status = 0;
      if (!gone) {
        status = read_stat(process->level0()).exit_code;
        if (leader) {
          runtime_.group_host().ended(*leader,
                                      TracerGroupHost::read_cpu_time(process->level0(), *leader));
        }
      }
      std::vector<Ref<Task>> threads = process->threads();
      for (auto it = threads.rbegin(); it != threads.rend(); ++it) end_task(*it, status);
    }
    if (process->state() == GroupState::kZombie) reap_if_gone(*process);
  }
  if (gone) death_watch_.forget(*process);
  if (awaits_deaths_) post([] {});
}

void Tracer::thread_ended(Task& task) {
  if (!runtime_.untraced() || task.is_leader() || stays_traced(task.group())) return;
  runtime_.group_host().ended(task, TracerGroupHost::read_cpu_time(task.level0(), task));
  end_task(Ref<Task>(task), 0);
}

// Both include what they waited for in their turn, as the kernel has it.
void Tracer::note_waited_time(const ThreadGroup& parent, const CpuTime& time) {
  const std::lock_guard lock(deaths_mutex_);
  CpuTime& waited = waited_times_[&parent];
  waited.user += time.user;
  waited.system += time.system;
}

void Tracer::waited_for(ThreadGroup& child, const CpuTime* time) {
  if (child.state() == GroupState::kZombie) {
    const std::lock_guard lock(deaths_mutex_);
    reap_if_gone(child);
  } else if (runtime_.untraced() && kill(child.level0(), 0) != 0 && errno == ESRCH) {
    // Nobody can look up any more what it used; its parent's kernel has said it.
    const Ref<Task> leader = child.leader();
    if (time && leader) {
      const std::lock_guard lock(deaths_mutex_);
      CpuTime own = *time;
      // Those that it waited for itself were counted at their own ends.
      if (const auto it = waited_times_.find(&child); it != waited_times_.end()) {
        own.user -= std::min(own.user, it->second.user);
        own.system -= std::min(own.system, it->second.system);
      }
      runtime_.group_host().ended(*leader, own);
    }
    process_ended(Ref<ThreadGroup>(child), true);
  }
}

// Children whose parents died before they told of themselves: whether there may be any yet.
void Tracer::look_for_lost_children() {
  bool unknown = false;
  // Our own helpers are nobody's guests.
  const int own_filters = read_status(getpid()).filters;
  if (DIR* proc = opendir("/proc")) {
    while (const dirent* entry = readdir(proc)) {
      const pid_t pid = std::atoi(entry->d_name);
      if (pid <= 0 || pid == getpid() || runtime_.task_of(pid)) continue;
      const ProcStat stat = read_stat(pid);
      if (stat.state == 0 || stat.state == 'Z' || stat.state == 'X') continue;
      if (stat.parent != getpid() && !runtime_.task_of(stat.parent)) continue;
      if (read_status(pid).filters > own_filters) unknown = true;
    }
    closedir(proc);
  }
  if (!unknown) runtime_.agent_forks().drop_orphans();
}

}  // namespace warren
