// What the tracer thread keeps of each task of a container.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>

#include "arch/x86_64/registers.h"
#include "tracer/guest_wait.h"
#include "tracer/syscall_context.h"
#include "warren/kernel.h"

namespace warren {

// A call that was let run and whose end is awaited.
struct PendingCall {
  arch::Registers guest;   // the registers at the entry, as the guest had them
  FinishHandler finish;    // may be empty: only registers are to be restored
  bool lazy = false;       // ends at whatever stop comes next
  std::uint64_t fork = 0;  // key of the fork that the call makes; 0 if it makes none
};

// How a stopped task is let go.
struct Resumption {
  enum class How {
    kResume,  // it runs
    kToExit,  // it runs, to stop when the system call that it is in ends
    kListen,  // it stays in its group-stop, from where SIGCONT wakes it
  };
  How how = How::kResume;
  int signal = 0;  // delivered to it; kResume only
};

struct GuestTrace;

// One traced task. Owned by the tracer and touched by its thread alone.
struct Tracee {
  Tracee();
  ~Tracee();

  pid_t tid = 0;
  // Null for a stray: a child that appeared in a namespace that died meanwhile. It only has to die.
  Ref<Task> task;
  unsigned options = 0;  // PTRACE_O_*
  bool awaiting_first_stop = false;
  // An init that has reached its end and is kept there until its namespaces are empty.
  bool held_at_exit = false;
  // In its group-stop: whatever becomes of it, it will stop again first.
  bool listening = false;
  // Frozen (freezing.cc): it has stopped, and goes on like this when it is thawed.
  std::optional<Resumption> held;
  std::optional<PendingCall> call;
  // Where its number was to be written when it was made, or the kernel was told of it; may be from
  // before an exec. 0: unknown.
  std::uint64_t tid_word = 0;
  // The agent is to be mapped at its next event stop, which is under way: the call to be made again
  // after that, where its `syscall` instruction ends, and the agent's descriptor there.
  struct AgentMapping {
    int nr;
    std::uint64_t after_syscall;
    int fd;
    int texts_fd;  // -1: none
  };
  std::optional<AgentMapping> agent;
  // A call that was notified and needs a stop: it is to be made again, marked (TraceMark).
  struct Redo {
    int nr;
    std::uint64_t after_syscall;
    bool issued = false;            // it is about to be made
    arch::Registers guest;          // issued: the registers as the guest had them
    std::uint64_t signal_mask = 0;  // issued: as the guest had it
  };
  std::optional<Redo> redo;
  // Another guest traces it.
  std::unique_ptr<GuestTrace> guest;
  // Traces other guests. Its agent may be about to wait without asking; and the wait that it is
  // about to make again, which has no children to wait for, only tracees.
  bool agent_may_wait = false;
  std::optional<GuestWait> waits_for_tracees_alone;
};

}  // namespace warren
