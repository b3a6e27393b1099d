// ptrace(2) by guests: what the tracer keeps of a task that another guest traces.
//
// A task has one tracer, and a guest's is the supervisor, at least for the moments that need one.
// So the supervisor carries out what a guest asks of ptrace(2). A stop of the tracee is first what
// it is to the supervisor; then it is shown to the guest that traces: the task stays in the
// kernel's stop, a SIGCHLD and wait(2) tell of it, and the guest's requests are made in its place,
// until one of them lets the task go. All on the tracer's thread.
#pragma once

#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/wait.h>

#include <csignal>
#include <optional>
#include <vector>

#include "tracer/guest_wait.h"
#include "tracer/tracee.h"
#include "warren/group_host.h"
#include "warren/kernel.h"

namespace warren {

// A stop that is shown to the guest that traces.
struct GuestStop {
  enum class Kind {
    kSignal,   // what lets it go says which signal it gets
    kGroup,    // PTRACE_EVENT_STOP, or a group-stop that looks like a signal's
    kSyscall,  // at the begin or end of a system call
    kEvent,    // PTRACE_EVENT_*
  };
  Kind kind = Kind::kSignal;
  int code = 0;               // as in the wait status, from bit 8 on: a signal, the event above it
  Resumption after;           // how the supervisor lets it go, but for a signal
  unsigned long message = 0;  // PTRACE_GETEVENTMSG
  std::optional<siginfo_t> info = {};  // PTRACE_GETSIGINFO, if it is not what the kernel says
  bool told = false;                   // wait(2) has told of it
};

// Of one tracee. Owned by it.
struct GuestTrace {
  Ref<ThreadGroup> process;  // whose tracee it is
  Ref<Task> thread;          // and of which thread; null: of the first that asks something of it
  Ref<ThreadGroup> parent;   // the tracee's, when it became one
  bool seized = false;       // PTRACE_SEIZE
  unsigned options = 0;      // PTRACE_O_*
  int resume = PTRACE_CONT;  // the request that let it go last
  bool interrupted = false;  // PTRACE_INTERRUPT is not answered yet
  bool attaching = false;    // PTRACE_ATTACH's SIGSTOP has not come yet
  // The supervisor has the call made again: the guest that traces sees it once.
  bool hides_entry = false;
  bool steps_again = false;  // likewise, with PTRACE_SINGLESTEP
  int answered = -1;         // the call whose end is next, if the supervisor has answered it
  bool exiting = false;      // PTRACE_EVENT_EXIT was shown
  std::optional<GuestStop> stop;
  // A stop that is shown when that child (the host's number) has come to its first.
  pid_t awaited_child = 0;
  std::optional<GuestStop> postponed;

  bool stops_at_syscalls() const { return resume == PTRACE_SYSCALL; }
  bool emulates_syscalls() const {
    return resume == PTRACE_SYSEMU || resume == PTRACE_SYSEMU_SINGLESTEP;
  }
  bool steps() const { return resume == PTRACE_SINGLESTEP || resume == PTRACE_SINGLEBLOCK; }
};

// What a wait tells of a tracee.
struct GuestNews {
  Nr nr = 0;  // in the waiter's namespace
  uid_t uid = 0;
  int status = 0;  // as wait4(2) has it
  CpuTime time;    // microseconds
};

// The tracees of guests, and those that have ended and were not waited for: their tracers are told,
// unless they are their parents, whom the kernel tells.
class GuestTraces {
 public:
  void add(Tracee& tracee) { tracees_.push_back(&tracee); }
  void remove(const Tracee& tracee);
  // Every tracee, in the order in which they became that.
  const std::vector<Tracee*>& all() const { return tracees_; }
  bool any_of(const ThreadGroup& process) const;

  struct End {
    Ref<ThreadGroup> tracer;
    Ref<Task> thread;  // null: any
    Ref<Pid> group;    // the process group that it was in
    pid_t process;     // the host's number of the process that it led; 0: of none
    GuestNews news;
  };
  void ended(End end) { ends_.push_back(std::move(end)); }
  // The kernel has told the tracer, who became its parent, of the end of that process.
  void told_by_kernel(const ThreadGroup& tracer, pid_t process);
  void forget_ends(const ThreadGroup& tracer);
  bool any_end_of(const ThreadGroup& tracer) const;

  // The first piece of news that the wait is for.
  std::optional<GuestNews> take(Task& waiter, const GuestWait& wait);
  // Whether there is news for the wait, or are tracees that may have some yet.
  bool expects(Task& waiter, const GuestWait& wait) const;

 private:
  std::vector<End>::const_iterator find_end(Task& waiter, const GuestWait& wait) const;

  std::vector<Tracee*> tracees_;
  std::vector<End> ends_;
};

// A request about a stopped tracee that moves data and lets nothing go, as ptrace(2) has it.
// `caller`: the memory of the guest that makes it. -EIO: no such request.
class Runtime;
class RemoteMemory;
long serve_data_request(Runtime& runtime, Tracee& tracee, const RemoteMemory& caller, long request,
                        std::uint64_t address, std::uint64_t data);

}  // namespace warren
