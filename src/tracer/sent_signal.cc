#include "tracer/sent_signal.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "inject/layout.h"
#include "tracer/default_action.h"
#include "tracer/proc_stat.h"
#include "tracer/process_flags.h"
#include "tracer/remote_memory.h"
#include "tracer/runtime.h"
#include "tracer/tracer.h"

namespace warren {

namespace {

// Whether the process's agent says that the signal's handler does not see who sent it.
bool has_plain_handler(const ThreadGroup& process, int signal) {
  if (!has_flag(process, ProcessFlag::kAgentMapped)) return false;
  constexpr auto kAt = inject::kState + offsetof(inject::State, plain_handlers);
  const auto plain = RemoteMemory(process.level0()).read(RemotePtr<std::uint64_t>(kAt));
  return plain && ((*plain >> (signal - 1)) & 1) != 0;
}

}  // namespace

bool sees_delivery(pid_t tid, int signal) {
  if (signal <= 0 || signal > 64 || signal == SIGKILL || signal == SIGSTOP) return false;
  const ProcStatus status = read_proc_status(tid);
  return (((status.blocked | status.caught) >> (signal - 1)) & 1) != 0;
}

void trace_receiver(Runtime& runtime, ThreadGroup& process, pid_t tid, int signal) {
  if (signal <= 0 || signal > 64 || signal == SIGKILL || signal == SIGSTOP) return;
  if (runtime.tracer().stays_traced(process) || has_plain_handler(process, signal)) return;
  const pid_t receiver = tid != 0 ? tid : process.level0();
  // An init does not act by default, but what it has blocked may come later, and rt_sigtimedwait(2)
  // does not show what is blocked in it.
  const bool init = has_flag(process, ProcessFlag::kLeftInit);
  if (sees_delivery(receiver, signal) || (init && acts_by_default(receiver, signal))) {
    runtime.tracer().trace(process);
  }
}

void trace_interrupted(Runtime& runtime, ThreadGroup& process, pid_t tid, int signal) {
  if (runtime.tracer().stays_traced(process) || has_plain_handler(process, signal)) return;
  if (((read_proc_status(tid).caught >> (signal - 1)) & 1) != 0) runtime.tracer().trace(process);
}

void trace_init_receiver(Runtime& runtime, ThreadGroup& process, pid_t tid, int signal) {
  if (has_flag(process, ProcessFlag::kLeftInit)) trace_receiver(runtime, process, tid, signal);
}

}  // namespace warren

namespace warren::sent_signal {

namespace {
// And the code that it stands for.
constexpr int kMark = WARREN_SENT_MARK;
constexpr int kMarkUser = kMark + 1;
constexpr int kMarkTkill = kMark + 2;
constexpr int kMarkChild = kMark + 3;
constexpr int kCodeShift = 32;  // in si_value; the status below it, where si_status is
}  // namespace

int send(pid_t tgid, pid_t tid, int signal, int code, Nr sender_nr, uid_t sender_uid) {
  if (signal == 0 || signal == SIGKILL) {
    // Nobody sees who sent these; a SIGSTOP's sender is seen by who traces.
    const long r = tid ? syscall(SYS_tgkill, tgid, tid, signal) : kill(tgid, signal);
    return r == 0 ? 0 : -errno;
  }
  siginfo_t info{};
  info.si_signo = signal;
  info.si_errno = code == SI_TKILL ? kMarkTkill : kMarkUser;
  info.si_code = SI_QUEUE;
  info.si_pid = sender_nr;
  info.si_uid = sender_uid;
  const long r = tid ? syscall(SYS_rt_tgsigqueueinfo, tgid, tid, signal, &info)
                     : syscall(SYS_rt_sigqueueinfo, tgid, signal, &info);
  return r == 0 ? 0 : -errno;
}

void send_child_news(pid_t tgid, Nr nr, uid_t uid, int code, int status) {
  siginfo_t info{};
  info.si_signo = SIGCHLD;
  info.si_errno = kMarkChild;
  info.si_code = SI_QUEUE;
  info.si_pid = nr;
  info.si_uid = uid;
  const auto word =
      static_cast<std::uintptr_t>(code) << kCodeShift | static_cast<std::uint32_t>(status);
  info.si_value.sival_ptr = reinterpret_cast<void*>(word);
  // A receiver that is gone needs no news.
  syscall(SYS_rt_sigqueueinfo, tgid, SIGCHLD, &info);
}

bool is_own(const siginfo_t& info) {
  std::uint64_t mark;
  std::memcpy(&mark, reinterpret_cast<const char*>(&info) + WARREN_OWN_MARK_OFFSET, sizeof mark);
  return mark == WARREN_OWN_CALL && (info.si_code == SI_USER || info.si_code == SI_TKILL);
}

bool restore(siginfo_t* info) {
  if (info->si_code != SI_QUEUE) return false;
  if (info->si_errno == kMarkChild) {
    const auto word = reinterpret_cast<std::uintptr_t>(info->si_value.sival_ptr);
    info->si_errno = 0;
    info->si_code = static_cast<int>(word >> kCodeShift);
    info->si_status = static_cast<int>(word);
    info->si_utime = 0;
    info->si_stime = 0;
    return true;
  }
  if (info->si_errno != kMarkUser && info->si_errno != kMarkTkill) return false;
  info->si_code = info->si_errno == kMarkTkill ? SI_TKILL : SI_USER;
  info->si_errno = 0;
  return true;
}

void translate_taken(Runtime& runtime, Task& receiver, const RemoteMemory& memory,
                     std::uint64_t address) {
  siginfo_t info;
  if (!memory.read_bytes(address, &info, sizeof info)) return;
  // Only what changes: the guest may keep other things behind the end of a shorter siginfo.
  const auto write = [&](const auto& member) {
    const auto offset = reinterpret_cast<const char*>(&member) - reinterpret_cast<char*>(&info);
    (void)memory.write_bytes(address + static_cast<std::uint64_t>(offset), &member, sizeof member);
  };
  if (restore(&info)) {
    write(info.si_errno);
    write(info.si_code);
    return;
  }
  if (is_own(info)) return;
  const bool child = runtime.tells_of_child(info);
  if (!child && info.si_code != SI_USER && info.si_code != SI_TKILL && info.si_code != SI_MESGQ) {
    return;
  }
  // Guests send through the supervisor; a guest as the plain sender is a parent that died
  // (PR_SET_PDEATHSIG).
  if (info.si_code == SI_USER && runtime.task_of(info.si_pid)) {
    set_flag(receiver.group(), ProcessFlag::kParentDied);
  }
  bool known = false;
  const Nr nr = runtime.to_guest_or_reaped(*receiver.ns(), info.si_pid, &known);
  if (child && !known) {
    runtime.tracer().find_lost_child(receiver, info.si_pid);
    info.si_pid = runtime.to_guest_or_reaped(*receiver.ns(), info.si_pid);
  } else {
    info.si_pid = nr;
  }
  write(info.si_pid);
}

}  // namespace warren::sent_signal
