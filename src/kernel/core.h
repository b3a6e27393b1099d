// Core: the state behind a Kernel, its one lock, and the memory of its objects.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

#include "base/mutex.h"
#include "kernel/objects.h"
#include "kernel/slab.h"
#include "warren/kernel.h"

namespace warren::kernel {

// Why: the members of Kernel are split over files by family (fork, exit, session, move, signal);
// this is what they share. Owned by Kernel.
//
// Locking: everything that changes holds `tasklist`; readers hold nothing and follow atomic
// pointers in a read section. Objects whose last reference went, array and nodes that were replaced
// wait on lists until collect() has seen a grace period pass.
class Core {
 public:
  explicit Core(const KernelOptions& options);
  ~Core();
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  // The lock for those who change the tree. What piled up for freeing is freed after the lock was
  // dropped, by whoever finds that it is much.
  class WARREN_SCOPED_CAPABILITY Writer {
   public:
    explicit Writer(Core& core) WARREN_ACQUIRE(core.tasklist) : core_(core) {
      core_.tasklist.lock();
    }
    ~Writer() WARREN_RELEASE() {
      const bool collect = core_.retired_count_.load(std::memory_order_relaxed) >= kCollectAt;
      core_.tasklist.unlock();
      if (collect) core_.collect();
    }
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;

   private:
    Core& core_;
  };

  mutable Mutex tasklist{LockRank::kTasklist};

  // --- Memory (memory.cc). Objects begin with one reference, the caller's; null: out of memory.
  // ---

  PidImpl* new_pid(int level) WARREN_REQUIRES(tasklist);
  NamespaceImpl* new_namespace(NamespaceImpl* parent, std::uint64_t inode, Nr pid_max)
      WARREN_REQUIRES(tasklist);
  TaskImpl* new_task(GroupImpl* group, PidImpl* pid, NamespaceImpl* for_children)
      WARREN_REQUIRES(tasklist);
  GroupImpl* new_group(PidImpl* pid) WARREN_REQUIRES(tasklist);
  NumberArray* new_array(int level) WARREN_REQUIRES(tasklist);
  // For an array that no reader has seen.
  void delete_array(NumberArray* array) WARREN_REQUIRES(tasklist);
  void retire_array(PidImpl* pid, NumberArray* array) WARREN_REQUIRES(tasklist);
  // The last reference went; any thread, with or without the lock.
  void retire(const RefCounted* object);
  // Frees what was retired before the call. Waits for readers; not to be called in a read section.
  void collect() WARREN_EXCLUDES(tasklist);
  // Bytes taken from the system for objects and nodes.
  std::size_t footprint() const WARREN_REQUIRES(tasklist);

  // --- Numbers (numbers.cc) ---

  // Takes a number in `ns` and in each namespace above (not at a pinned level 0), wanted ones
  // first. 0, or EAGAIN, ENOMEM, EEXIST, EINVAL, EPERM as Kernel::reserve_fork() says; then nothing
  // is taken.
  int reserve_numbers(NamespaceImpl* ns, std::span<const Nr> set_tid, PidImpl* pid)
      WARREN_REQUIRES(tasklist);
  // Gives back what reserve_numbers() took for a Pid that was never published.
  void cancel_numbers(PidImpl* pid, bool seen = false) WARREN_REQUIRES(tasklist);
  // Lets readers find the Pid at every level.
  void publish_numbers(PidImpl* pid) WARREN_REQUIRES(tasklist);
  // Frees the numbers if nothing uses the Pid.
  void free_if_unused(PidImpl* pid) WARREN_REQUIRES(tasklist);
  void free_numbers(PidImpl* pid) WARREN_REQUIRES(tasklist);
  // Makes `nr` free at the pinned level 0, reaping a zombie that has it, and takes it.
  int claim_level0(Nr nr) WARREN_REQUIRES(tasklist);

  // --- Tasks (tasks.cc) ---

  // Adds to, or takes from, the counts of a task's namespace and of those above.
  void count_task(NamespaceImpl* ns, int delta) WARREN_REQUIRES(tasklist);
  void link_task(TaskImpl* task, bool leader) WARREN_REQUIRES(tasklist);
  // Ends a thread that is not needed as zombie: nobody finds it any more, its number is free.
  void drop_task(TaskImpl* task) WARREN_REQUIRES(tasklist);
  void set_father(GroupImpl* group, GroupImpl* father) WARREN_REQUIRES(tasklist);
  void set_pgrp(GroupImpl* group, PidImpl* pgid) WARREN_REQUIRES(tasklist);
  void set_session(GroupImpl* group, PidImpl* sid) WARREN_REQUIRES(tasklist);
  void make_init(GroupImpl* group, NamespaceImpl* ns) WARREN_REQUIRES(tasklist);
  // Makes the group init of every namespace of its Pid that has none.
  void found_namespaces(GroupImpl* group) WARREN_REQUIRES(tasklist);
  void disable(NamespaceImpl* ns) WARREN_REQUIRES(tasklist);
  void reap(GroupImpl* group) WARREN_REQUIRES(tasklist);
  // The next namespace of the tree below `top`, parents first; null at the end.
  NamespaceImpl* next_namespace(const NamespaceImpl* top, NamespaceImpl* ns) const
      WARREN_REQUIRES(tasklist);

  const bool pinned;
  PidNodePool nodes WARREN_GUARDED_BY(tasklist);
  NamespaceImpl* root = nullptr;                       // immutable after create
  List<GroupImpl> groups WARREN_GUARDED_BY(tasklist);  // not reaped yet, oldest first
  std::uint64_t next_inode WARREN_GUARDED_BY(tasklist);
  // Reservations that may still need nodes at a pinned level 0.
  std::size_t open_reservations WARREN_GUARDED_BY(tasklist) = 0;
  // How many processes asked to be child subreapers.
  std::size_t subreapers WARREN_GUARDED_BY(tasklist) = 0;
  // Whether move() ever happened, so that parents may be in unexpected places.
  bool moved WARREN_GUARDED_BY(tasklist) = false;

 private:
  // Stands before an array that does not stand behind its Pid.
  struct RetiredLink {
    RetiredLink* next;
  };
  static constexpr std::uint32_t kCollectAt = 256;
  static constexpr int kSlabLevels = 8;  // Pids of deeper levels come from malloc

  void destroy(RefCounted* object) WARREN_REQUIRES(tasklist);
  void destroy_pid(PidImpl* pid) WARREN_REQUIRES(tasklist);
  void destroy_namespace(NamespaceImpl* ns) WARREN_REQUIRES(tasklist);
  // Ends all tasks, for the destructor.
  void tear_down() WARREN_REQUIRES(tasklist);

  std::array<Slab, kSlabLevels> pid_slabs_ WARREN_GUARDED_BY(tasklist);
  Slab namespace_slab_ WARREN_GUARDED_BY(tasklist);
  Slab task_slab_ WARREN_GUARDED_BY(tasklist);
  Slab group_slab_ WARREN_GUARDED_BY(tasklist);
  std::size_t deep_pids_ WARREN_GUARDED_BY(tasklist) = 0;
  std::atomic<RefCounted*> retired_{nullptr};
  std::atomic<std::uint32_t> retired_count_{0};
  RetiredLink* retired_arrays_ WARREN_GUARDED_BY(tasklist) = nullptr;
  std::atomic<bool> collecting_{false};
};

}  // namespace warren::kernel
