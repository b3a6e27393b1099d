// Forks that agents make themselves, in guests that are not traced.
//
// The parent's agent asks (begin), makes the clone(2) with the key that it got in a register which
// clone does not use, and says so (forked, or ended after a vfork or a failure); the child tells of
// itself before it runs anything of the guest's (registered), with that key. `forked` is not
// answered before the child is known: the parent never has a number that means nothing yet.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "tracer/fork_request.h"
#include "tracer/syscall_context.h"
#include "warren/groups.h"
#include "warren/kernel.h"

namespace warren {

class Runtime;

// Owner: Runtime. Thread-safe; its mutex is a leaf. What is reserved is published or given back,
// never both.
class AgentForks {
 public:
  // A call that waits for its answer.
  struct Caller {
    int listener;
    std::uint64_t notification;
  };

  explicit AgentForks(Runtime& runtime) : runtime_(runtime) {}

  // The key, or -errno for the guest; -ENOSYS: this one is for the tracer.
  long begin(SyscallContext& call, ForkRequest request);
  // The child `tid` tells of itself. The caller's sixth argument as the guest had it; nothing: no
  // fork waits for it, and it must not run.
  std::optional<std::uint64_t> registered(pid_t tid, std::uint64_t key);
  // A process that nobody knows makes a call: if a signal's handler got it before it could tell of
  // itself, it is known from then on. False: it is no fork's child.
  bool adopt(pid_t tid);
  // The parent's clone has returned `host`. The child's number, or -errno; nothing: it will be
  // answered when the child is known.
  std::optional<long> forked(std::uint64_t key, pid_t host, const Caller& caller);
  // The parent's memory is its own again, or there is no child. Its sixth argument.
  std::uint64_t ended(std::uint64_t key, bool failed);
  // A child died before it told of itself.
  void stranger_died(std::uint64_t key);
  // The parent has waited for a child that nobody knows: one that died so. Its number; 0: none.
  Nr waited_for_lost(const ThreadGroup& parent);

  // The task is dead: what it had begun and not ended.
  void task_ended(const Task& task);
  // Whether it waits for a child to exec or end.
  bool waits_for_child(const Task& task) const;
  // Whether it has taken numbers for a child that is not known yet.
  bool forking(const Task& task) const;
  // Forks whose parents have died before their children told of themselves.
  bool has_orphans() const { return orphans_.load(std::memory_order_relaxed) != 0; }
  void drop_orphans();
  void drop_all();

 private:
  struct InFlight {
    // kPublishing: by another thread, just now.
    enum class Child { kReserved, kPublishing, kKnown };
    Child child = Child::kReserved;
    ForkReservation reservation;  // kReserved
    ForkMembership membership;    // kReserved
    ForkRequest request;
    Ref<Task> parent;
    bool orphan = false;       // the parent has died
    Nr number = 0;             // the child's, for the parent
    std::uint64_t sixth = 0;   // the guest's sixth argument
    bool vforks = false;       // the parent waits until its memory is its own again
    pid_t host = 0;            // the child's, as far as its parent has told
    Ref<ThreadGroup> vforked;  // the child of such a one, once it is known
    std::optional<Caller> caller;
  };
  using Table = std::unordered_map<std::uint32_t, InFlight>;

  std::uint32_t new_id();
  // The child is made known, and the parent answered. False: it must not run.
  bool publish(std::uint32_t id, pid_t host);
  std::optional<InFlight> take(std::uint32_t id);
  void erase(Table::iterator it);
  void end_vfork(const InFlight& fork);
  static void answer(const Caller& caller, long value);

  Runtime& runtime_;
  mutable std::mutex mutex_;
  Table in_flight_;  // guarded by mutex_; by the key's upper half
  struct Lost {
    Ref<ThreadGroup> parent;
    Nr number;
  };
  std::vector<Lost> lost_;             // guarded by mutex_
  std::vector<std::uint32_t> random_;  // guarded by mutex_
  std::atomic<std::size_t> nr_{0};
  std::atomic<bool> any_lost_{false};  // whether there ever was one
  std::atomic<std::size_t> orphans_{0};
};

}  // namespace warren
