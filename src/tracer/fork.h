// The life of a fork: from the stop at the guest's clone call to the first instruction of the
// child.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "arch/x86_64/registers.h"
#include "tracer/fork_request.h"
#include "tracer/syscall_context.h"
#include "tracer/syscall_table.h"
#include "tracer/tracee.h"
#include "warren/groups.h"
#include "warren/kernel.h"

namespace warren {

class Runtime;

// The task begins groups of its own (Groups::unshare()), for those of the CLONE_* flags that ask
// for it: CLONE_NEWPID where "pid" is mounted apart from the default hierarchy, as Linux's ns
// subsystem had to be; else each pid namespace would leave a directory behind that nobody asked
// for. Named after the task's number in the container. Errors: as Groups::unshare().
Result<void> begin_own_groups(Groups& groups, Task& task, std::uint64_t clone_flags);

// Forks whose child, parent, or both have not been heard of yet. Tracer thread only.
//
// The parent's call is replaced by clone(2) with CLONE_PTRACE, which attaches the child without an
// event stop of the parent. What identifies the child at its first stop is a key in a register that
// clone does not use and that it inherits; so parent and child may come in either order, and a
// vfork parent, which returns only after the child has gone on, needs nothing special.
class Forks {
 public:
  explicit Forks(Runtime& runtime) : runtime_(runtime) {}

  struct Child {
    Ref<Task> task;  // null: its namespace died meanwhile
    ForkRequest request;
    arch::Registers guest;  // the parent's registers at the call
    unsigned options = 0;   // the parent's PTRACE_O_*, which it inherits
    bool is_init = false;   // of a namespace
    Ref<Task> parent;
    Ref<Task> vforker;  // the parent, if it waits for the child to exec or end
  };

  // At the entry stop: reserves numbers and rewrites the call. Returns 0 and the key, or -errno.
  long begin(const Tracee& parent, ForkRequest request, const arch::Registers& guest,
             arch::Registers* call, std::uint64_t* key);
  // At the parent's exit stop: `result` is the child's host number, or -errno. Returns what the
  // guest is to see.
  long parent_returned(std::uint64_t key, long result);
  // At the first stop of an unknown child. False if no fork waits for it.
  bool child_arrived(std::uint64_t key, pid_t tid, Child* child);
  // At the parent's event stop, which tells the child's host number. True: the guest asked for a
  // child that nobody traces.
  bool announced(std::uint64_t key, pid_t child_tid);
  // A child whose fork had told its number died before its first stop.
  void child_died(pid_t tid);
  // Any task's death: what was kept for it is given back.
  void forget(pid_t tid) { kept_.erase(tid); }
  // Whether something is kept for the task's next try.
  bool keeps(pid_t tid) const { return kept_.contains(tid); }
  // The parent died before its call returned. Its child may or may not exist.
  void parent_died(std::uint64_t key);
  // Whether forks are left whose parents have died.
  bool has_orphans() const { return orphans_ > 0; }
  // No unknown child is about to come: forks of dead parents are given up.
  void drop_orphans();
  // Whether the parent of this fork waits for its child to exec or end (vfork(2)), as far as is
  // known.
  bool waits_for_child(std::uint64_t key) const;
  // Nobody is left who could be a parent or a child.
  void drop_all() {
    in_flight_.clear();
    kept_.clear();
    orphans_ = 0;
  }
  // Whether a child is still to come.
  bool any_in_flight() const { return !in_flight_.empty(); }

 private:
  struct InFlight {
    ForkReservation reservation;
    ForkMembership membership;
    Child child;
    Ref<Task> parent;
    pid_t parent_tid = 0;
    pid_t child_tid = 0;       // 0: not known yet
    Nr result = 0;             // the child's number in the parent's namespace
    bool vforks = false;       // the parent waits until its memory is its own again
    Ref<ThreadGroup> vforked;  // the child of such a one, once it is known
    bool parent_done = false;
    bool child_done = false;
  };

  // The numbers for a child of `parent`: those of its last try, if a signal interrupted that and it
  // now tries again.
  Result<ForkReservation> reserve(const Tracee& parent, const ForkRequest& request);
  void publish(InFlight& fork, pid_t child_tid);
  void enter_groups(InFlight& fork);
  void end_if_done(std::unordered_map<std::uint64_t, InFlight>::iterator it);

  Runtime& runtime_;
  std::unordered_map<std::uint64_t, InFlight> in_flight_;
  // Reservations of calls that a signal interrupted and the kernel is about to restart, by parent.
  // What the groups were charged for it is given back meanwhile, as on Linux.
  struct Kept {
    ForkReservation reservation;
    std::uint64_t flags;
    int exit_signal;
  };
  std::unordered_map<pid_t, Kept> kept_;
  // The lower half is the mark that makes a stop of the call where guests run untraced.
  std::uint64_t next_key_ = std::uint64_t{0x77617272} << 32 | TraceMark::kWord;
  std::size_t orphans_ = 0;
};

}  // namespace warren
