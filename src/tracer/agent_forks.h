// Forks that agents make themselves, in guests that are not traced.
//
// The parent's agent asks (begin), makes the clone(2) with the key that it got in a register which
// clone does not use, and says so (forked, or ended after a vfork or a failure); the child tells of
// itself before it runs anything of the guest's (registered), with that key. `forked` is not
// answered before the child is known: the parent never has a number that means nothing yet.
//
// A quiet fork (quiet_forks.cc) is most of them: of a process that gets memory of its own. It costs
// its begin and nothing else. Parent and child note in their memories what came of it
// (agent_state.h), and whoever is about to look at processes has that looked up first (settle):
// whatever can be asked for is known by then. A child that makes a call is known by its key
// (adopt). Many a child has ended, and its parent has waited for it, before anybody has asked; then
// it never takes a descriptor.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
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
  // A process that nobody knows has been found: if it is a quiet fork's child, or a signal's
  // handler got it before it could tell of itself, it is known from then on. By its own key only,
  // or also by who its parent is. Null: it is no fork's child.
  enum class Claim { kOwnKey, kAny };
  Ref<Task> adopt(pid_t tid, Claim claim);
  // The process has ended, its parent had died before, and nobody has looked into the memory of
  // either: it is taken for the first such child that has been looked for, and is missing. False:
  // none is.
  bool adopt_dead(pid_t host);
  // As adopt_dead(), of a process that a signal's handler keeps from noting its child of vfork.
  bool adopt_vforked(const ThreadGroup& parent, pid_t host);
  // A process that has its memory from another, or the other, makes a call: perhaps a quiet vfork
  // is over.
  void look_after_vforks(const Task& caller);
  // The children of quiet forks become known that their parents have noted, of one process or of
  // all. Returns how many forks are left, but for those of `still`: a task that stands still, and
  // has not come to its clone(2) yet. Any thread; waits for others that are at it.
  std::size_t settle(const ThreadGroup& parent, const Task* still = nullptr);
  std::size_t settle();
  // And those that run already, though their parents are not back from their calls. False: there
  // are some that have not yet noted whose they are.
  bool settle_all_that_run();
  // The host has forgotten the process: its parent's agent will, too, before its next fork.
  void child_gone(const ThreadGroup& child);
  // The parent's clone has returned `host`. The child's number, or -errno; nothing: it will be
  // answered when the child is known.
  std::optional<long> forked(std::uint64_t key, pid_t host, const Caller& caller);
  // The parent's memory is its own again, or there is no child. Its sixth argument.
  std::uint64_t ended(std::uint64_t key, bool failed);
  // A child died before it told of itself.
  void stranger_died(std::uint64_t key);
  // The parent has waited for a child that nobody knows: one that died so, or one whose number was
  // given back a moment ago (drop_orphans()). Its number; 0: none.
  Nr waited_for_lost(const ThreadGroup& parent);

  // The task is dead: what it had begun and not ended.
  void task_ended(const Task& task);
  // Whether it waits for a child to exec or end.
  bool waits_for_child(const Task& task) const;
  // Whether it has taken numbers for a child that is not known yet.
  bool forking(const Task& task) const;
  // Whether a child is just becoming known, and its end perhaps not watched for yet.
  bool publishing() const;
  bool has_quiet() const { return nr_quiet_.load(std::memory_order_relaxed) != 0; }
  // The inits of their namespaces that live, and of those above.
  std::vector<Ref<ThreadGroup>> inits_of_orphans() const;
  // Forks whose parents have died before their children told of themselves.
  bool has_orphans() const { return orphans_.load(std::memory_order_relaxed) != 0; }
  // And whose children nobody has looked for since.
  bool has_new_orphans() const { return new_orphans_.load(std::memory_order_relaxed) != 0; }
  // Children of those that were orphans at that time have been looked for, as far as they live.
  // `unknown`: some task was there that might be any of them, and has not noted whose it is. One
  // that went round the agent never does; so that counts for as long as a child may take to its
  // first instruction, and less in a namespace that ends.
  void looked_for_orphans(std::chrono::steady_clock::time_point then, bool unknown);
  void drop_orphans();
  void drop_all();

 private:
  struct InFlight {
    // kPublishing: by some thread, just now; kVisible: but for how it is to run.
    enum class Child { kReserved, kPublishing, kVisible, kKnown };
    Child child = Child::kReserved;
    ForkReservation reservation;  // kReserved
    ForkMembership membership;    // kReserved
    bool quiet = false;
    std::uint64_t order = 0;  // of begins
    ForkRequest request;
    Ref<Task> parent;
    bool orphan = false;  // the parent has died
    std::chrono::steady_clock::time_point orphaned;
    bool looked_for = false;
    Nr number = 0;             // the child's, for the parent
    std::uint64_t sixth = 0;   // the guest's sixth argument
    bool vforks = false;       // the parent waits until its memory is its own again
    pid_t host = 0;            // the child's, as far as its parent has told
    Ref<ThreadGroup> vforked;  // the child of such a one, once it is known
    std::optional<Caller> caller;
  };
  using Table = std::unordered_map<std::uint32_t, InFlight>;

  std::uint32_t new_id();
  // The child is made known, and the parent answered. False: it must not run. Nothing: it is no
  // fork's that waits for that. `reaped`: it has ended, and its parent has waited for it.
  std::optional<bool> publish(std::uint32_t id, pid_t host, bool reaped = false);
  // Returns when no other thread is at making the quiet fork's child visible.
  void wait_until_published(std::uint32_t id);
  // The fork that the child could be of, going by who its parent is; 0: none.
  std::uint32_t id_by_parent(pid_t tid) const;
  // A quiet fork whose child is not known yet, or just becoming known.
  struct Quiet {
    std::uint32_t id;
    Nr number;
    Ref<Task> parent;
  };
  void look_up(const std::vector<Quiet>& quiet);
  bool is_known_to_live(pid_t host);
  // A child that the host has forgotten, and perhaps its parent's memory has not.
  struct Gone {
    Ref<ThreadGroup> parent;
    Nr number;
    pid_t host;
  };
  void child_gone(ThreadGroup& parent, Nr number, pid_t host);
  void forget_gone(const ThreadGroup* parent);
  // What a child says that its parent has not noted yet; with the host's list of its children.
  bool look_among_children(const Quiet& fork);
  std::size_t settle_where(const ThreadGroup* parent, const Task* still);
  // Those of one process, or of all; mutex_ being held.
  std::vector<Quiet> quiet_forks(const ThreadGroup* parent, InFlight::Child child) const;
  // Whether that child can be at its place in its parent's memory; mutex_ being held.
  bool place_is_free(const ThreadGroup& parent, Nr number) const;
  std::optional<InFlight> take(std::uint32_t id);
  InFlight extract(Table::iterator it);
  void end_vfork(const InFlight& fork);
  static void answer(const Caller& caller, long value);

  Runtime& runtime_;
  mutable std::mutex mutex_;
  std::condition_variable published_;
  Table in_flight_;  // guarded by mutex_; by the key's upper half
  // Ids of the quiet ones among them. Guarded by mutex_.
  std::unordered_multimap<const ThreadGroup*, std::uint32_t> quiet_;
  struct Lost {
    Ref<ThreadGroup> parent;
    Nr number;
  };
  std::vector<Lost> lost_;  // guarded by mutex_
  // Of an orphan that was looked for in vain. If there was a child, an heir has waited for it, and
  // is about to say so.
  struct Dropped {
    Ref<PidNamespace> ns;
    Nr number;
    std::chrono::steady_clock::time_point when;
  };
  std::deque<Dropped> dropped_;        // guarded by mutex_; the oldest first
  std::uint64_t next_order_ = 0;       // guarded by mutex_
  std::vector<std::uint32_t> random_;  // guarded by mutex_
  std::vector<Gone> gone_;             // guarded by mutex_
  std::atomic<bool> any_gone_{false};
  std::atomic<std::size_t> nr_{0};
  std::atomic<std::size_t> nr_quiet_{0};
  std::atomic<bool> any_lost_{false};  // whether there ever was one
  std::atomic<std::size_t> orphans_{0};
  std::atomic<std::size_t> new_orphans_{0};
};

}  // namespace warren
