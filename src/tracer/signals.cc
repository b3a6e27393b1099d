// Signal-delivery stops: numbers in a siginfo are translated for the receiver, and an init gets
// only what it may get.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <climits>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>

#include "inject/image.h"
#include "tracer/default_action.h"
#include "tracer/ptrace.h"
#include "tracer/sent_signal.h"
#include "tracer/syscall_table.h"
#include "tracer/tracer.h"

namespace warren {

namespace {

// Signals that come from a terminal.
bool from_terminal(int signal) {
  switch (signal) {
    case SIGINT:
    case SIGQUIT:
    case SIGHUP:
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU:
    case SIGCONT:
    case SIGWINCH:
      return true;
    default:
      return false;
  }
}

bool is_fault(const siginfo_t& info) {
  switch (info.si_signo) {
    case SIGSEGV:
    case SIGBUS:
    case SIGFPE:
    case SIGILL:
    case SIGTRAP:
    case SIGSYS:
      return info.si_code > 0;
    default:
      return false;
  }
}

bool carries_sender(const siginfo_t& info) {
  return info.si_code == SI_USER || info.si_code == SI_TKILL || info.si_code == SI_MESGQ;
}

// Whether the path that an interrupted open names may really block.
bool opens_slow_file(pid_t tid, const arch::Registers& regs, const char* name) {
  const std::string_view call(name);
  if (call != "open" && call != "openat" && call != "openat2" && call != "creat") return false;
  const bool at = call == "openat" || call == "openat2";
  char path[PATH_MAX];
  if (!RemoteMemory(tid).read_string(regs.arg(at ? 1 : 0), path, sizeof path)) return false;
  const auto dirfd = at ? static_cast<int>(regs.arg(0)) : AT_FDCWD;
  std::string base = "/proc/" + std::to_string(tid);
  base += dirfd == AT_FDCWD ? "/cwd" : "/fd/" + std::to_string(dirfd);
  const std::string host = path[0] == '/' ? std::string(path) : base + "/" + path;
  struct stat st;
  return stat(host.c_str(), &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}

// A notification that a signal interrupts before the supervisor has taken it looks like an
// interrupted call, and ends with EINTR where the handler does not ask for a restart. But none of
// these calls waits for anything on Linux, but for opens of FIFOs and devices: they are made again
// in any case.
void restart_notified_call(pid_t tid, bool untraced) {
  constexpr long kRestartSys = -512;
  constexpr long kRestartNoIntr = -513;
  arch::Registers regs;
  if (!ptrace_call::get_registers(tid, &regs) || regs.result() != kRestartSys) return;
  const auto nr = static_cast<int>(regs.syscall());
  const SyscallEntry* entry = find_syscall(nr, Way::kNotify);
  // Where guests run untraced, what needs a stop is notified first. Those that wait are left out.
  if (!entry && untraced && nr != SYS_wait4 && nr != SYS_waitid && nr != SYS_rt_sigtimedwait &&
      nr != SYS_clock_nanosleep) {
    entry = find_untraced_syscall(nr, regs.args());
    if (!entry) entry = find_syscall(nr, Way::kPtrace);
  }
  if (!entry || opens_slow_file(tid, regs, entry->name)) return;
  regs.set_result(kRestartNoIntr);
  ptrace_call::set_registers(tid, regs);
}

// The agent reads paths that its guest gave; one at a bad address is for the kernel to refuse.
bool agent_read_bad_address(pid_t tid, const siginfo_t& info) {
  if (info.si_code <= 0) return false;
  const inject::Header& header = inject::agent_header();
  arch::Registers regs;
  if (!ptrace_call::get_registers(tid, &regs)) return false;
  if (regs.ip() < header.reader_begin || regs.ip() >= header.reader_end) return false;
  regs.set_ip(header.reader_failed);
  ptrace_call::set_registers(tid, regs);
  return true;
}

}  // namespace

// Makes of a SIGCHLD for a zombie that the receiver never had the one for a child that it has.
// False if there is none: the signal must not be seen.
bool Tracer::replace_hidden_child(Tracee& tracee, siginfo_t* info) {
  for (const Ref<ThreadGroup>& child : tracee.task->group().children()) {
    if (child->state() != GroupState::kZombie) continue;
    const int status = child->exit_status();
    info->si_pid = child->nr_in(*tracee.task->ns());
    const bool killed = (status & 0x7f) != 0;
    info->si_code = killed ? ((status & 0x80) ? CLD_DUMPED : CLD_KILLED) : CLD_EXITED;
    info->si_status = killed ? status & 0x7f : (status >> 8) & 0xff;
    return true;
  }
  return false;
}

void Tracer::on_signal(Tracee& tracee, int signal, bool settled) {
  siginfo_t info;
  if (!ptrace_call::get_siginfo(tracee.tid, &info)) {
    // No siginfo in what is not a signal-delivery stop: a group-stop, as seen without an event.
    go_on(tracee);
    return;
  }
  if (signal == SIGSEGV || signal == SIGBUS) {
    if (agent_read_bad_address(tracee.tid, info)) {
      go_on(tracee);
      return;
    }
  }
  if (signal == SIGTRAP && info.si_code == SI_KERNEL) {
    arch::Registers regs;
    if (ptrace_call::get_registers(tracee.tid, &regs) &&
        runtime_.agents().met_patch(tracee.tid, regs.ip() - 1)) {
      regs.set_ip(regs.ip() - 1);
      ptrace_call::set_registers(tracee.tid, regs);
      go_on(tracee);
      return;
    }
  }
  const Ref<PidNamespace> ns = tracee.task->ns();
  // First, while the child that the signal tells of is still known.
  bool deliver = true;
  bool changed = false;
  bool outside = info.si_code == SI_KERNEL && from_terminal(signal);
  if (runtime_.tells_of_child(info)) {
    bool known = false;
    Nr nr = runtime_.to_guest_or_reaped(*ns, info.si_pid, &known);
    if (!known) {
      find_lost_child(*tracee.task, info.si_pid);
      nr = runtime_.to_guest_or_reaped(*ns, info.si_pid, &known);
    }
    if (known) {
      const Nr before = runtime_.moved_children().nr_for(tracee.task->group(), info.si_pid);
      info.si_pid = before != 0 ? before : nr;
    } else {
      deliver = replace_hidden_child(tracee, &info);
    }
    changed = true;
  } else if (sent_signal::restore(&info)) {
    changed = true;
  } else if (!sent_signal::is_own(info) && carries_sender(info)) {
    if (!settled && info.si_code == SI_USER && runtime_.task_of(info.si_pid)) {
      // Guests send through the supervisor. This one the kernel sent in the name of a parent that
      // died (PR_SET_PDEATHSIG): the receiver must find the new parent, so that death comes first.
      const pid_t tid = tracee.tid;
      post([this, tid, signal] {
        drain();
        if (Tracee* still = find(tid)) on_signal(*still, signal, true);
      });
      return;
    }
    const Nr nr = runtime_.to_guest(*ns, info.si_pid);
    if (nr == 0 && !runtime_.task_of(info.si_pid)) outside = true;
    info.si_pid = nr;
    changed = true;
  }
  finish_lazy_call(tracee);
  if (deliver && !outside && signal != SIGKILL && signal != SIGSTOP && !is_fault(info) &&
      tracee.task->group().is_init() && acts_by_default(tracee.tid, signal)) {
    // pid_namespaces(7): an init gets only signals for which it has a handler.
    deliver = false;
  }
  if (!deliver) {
    go_on(tracee);
    return;
  }
  if (tracee.guest && signal == SIGSTOP && std::exchange(tracee.guest->attaching, false)) {
    // Nobody sent it: ptrace(2), PTRACE_ATTACH.
    info.si_code = SI_KERNEL;
    info.si_pid = 0;
    info.si_uid = 0;
    changed = true;
  }
  if (changed) ptrace_call::set_siginfo(tracee.tid, &info);
  restart_notified_call(tracee.tid, runtime_.untraced());
  if (tracee.guest) {
    show_signal(tracee, signal);
  } else {
    go_on(tracee, {Resumption::How::kResume, signal});
  }
}

}  // namespace warren
