// What stands behind the public Pid, PidNamespace, Task and ThreadGroup.
//
// In each class the members are grouped: immutable; atomic (written under the tasklist lock, read
// by anybody); guarded by the tasklist lock. An atomic pointer to an object is followed in a read
// section and turned into a Ref by try_acquire().
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "kernel/list.h"
#include "kernel/pid_allocator.h"
#include "kernel/rcu.h"
#include "warren/pid.h"
#include "warren/pid_namespace.h"
#include "warren/task.h"

namespace warren::kernel {

class Core;
class GroupImpl;
class NamespaceImpl;
class TaskImpl;

// One number of a Pid, and the namespace that it counts in.
struct Upid {
  NamespaceImpl* ns;
  Nr nr;
};

// The numbers of a Pid, level 0 first. Stands right behind its Pid; when the Pid grows or moves,
// one of its own takes its place under RCU. Immutable once readers can see it.
struct alignas(Upid) NumberArray {
  std::int32_t level;
  Upid* upids() { return reinterpret_cast<Upid*>(this + 1); }
  const Upid* upids() const { return reinterpret_cast<const Upid*>(this + 1); }
  Nr nr_in(const NamespaceImpl* ns, int ns_level) const {
    return ns_level <= level && upids()[ns_level].ns == ns ? upids()[ns_level].nr : 0;
  }
  static std::size_t bytes(int level) {
    return sizeof(NumberArray) + (static_cast<std::size_t>(level) + 1) * sizeof(Upid);
  }
};

class PidImpl final : public Pid {
 public:
  PidImpl(Core* core, int level);
  using RefCounted::core;

  NumberArray* built_in() { return reinterpret_cast<NumberArray*>(this + 1); }
  // The numbers; in a read section or with the lock.
  const NumberArray* array() const { return tuple.load(std::memory_order_acquire); }
  Nr nr(const NamespaceImpl* ns) const;
  NamespaceImpl* own_ns() const {
    const NumberArray* a = array();
    return a->upids()[a->level].ns;
  }
  bool unused() const {
    return task.load(std::memory_order_relaxed) == nullptr &&
           group.load(std::memory_order_relaxed) == nullptr && pgid_members.empty() &&
           sid_members.empty() && pins == 0;
  }
  static std::size_t bytes(int level) { return sizeof(PidImpl) + NumberArray::bytes(level); }

  // Atomic.
  std::atomic<NumberArray*> tuple;
  std::atomic<TaskImpl*> task{nullptr};    // attached as kPid
  std::atomic<GroupImpl*> group{nullptr};  // attached as kTgid
  // Guarded.
  List<GroupImpl> pgid_members;
  List<GroupImpl> sid_members;
  int pins = 0;                    // reservations whose child will be in this group or session
  bool published = false;          // readers may find it by a number
  bool freed_while_dying = false;  // its numbers were freed after its last reference went
};

class NamespaceImpl final : public PidNamespace {
 public:
  NamespaceImpl(Core* core, NamespaceImpl* parent, std::uint64_t inode, Nr pid_max);
  using RefCounted::core;

  // The namespace of `level` above this one, or this.
  const NamespaceImpl* ancestor_at(int level) const;
  bool within(const NamespaceImpl* other) const { return ancestor_at(other->depth) == other; }

  // Immutable.
  const int depth;
  NamespaceImpl* const up;  // holds a reference; null for the root
  // Atomic.
  std::atomic<std::uint64_t> inode_nr;
  std::atomic<GroupImpl*> child_reaper{nullptr};
  std::atomic<bool> had_init{false};
  std::atomic<bool> disabled{false};
  std::atomic<int> own_tasks{0};
  std::atomic<int> visible_tasks{0};
  // Guarded (lookup inside is lock-free).
  PidAllocator numbers;
  List<NamespaceImpl> children;
  Link<NamespaceImpl> sibling{this};
  int reservations = 0;  // of numbers here, not published yet
};

class TaskImpl final : public Task {
 public:
  TaskImpl(Core* core, GroupImpl* group, PidImpl* pid, NamespaceImpl* for_children);
  using RefCounted::core;

  // Immutable.
  GroupImpl* const thread_group;  // holds a reference
  // Atomic.
  std::atomic<PidImpl*> identity;               // holds a reference
  std::atomic<NamespaceImpl*> ns_for_children;  // holds a reference
  std::atomic<bool> running{true};
  std::atomic<void*> embedder{nullptr};
  Membership groups;  // guarded by others, see there
  // Guarded.
  Link<TaskImpl> thread_link{this};  // linked: the engine holds a reference

  NamespaceImpl* active_ns() const { return identity.load(std::memory_order_acquire)->own_ns(); }
  Nr nr(const NamespaceImpl* ns) const { return identity.load(std::memory_order_acquire)->nr(ns); }
};

class GroupImpl final : public ThreadGroup {
 public:
  GroupImpl(Core* core, PidImpl* pid);
  using RefCounted::core;

  // Immutable.
  PidImpl* const identity;  // holds a reference
  // Atomic.
  std::atomic<TaskImpl*> head{nullptr};  // the leader; null once reaped
  std::atomic<GroupImpl*> father{nullptr};
  std::atomic<PidImpl*> pgrp{nullptr};     // holds a reference
  std::atomic<PidImpl*> session{nullptr};  // holds a reference
  std::atomic<int> live_threads{0};
  std::atomic<GroupState> life{GroupState::kAlive};
  std::atomic<int> status{0};
  std::atomic<int> end_signal{0};
  std::atomic<int> founded{0};  // namespaces whose init it is
  std::atomic<bool> leads_session{false};
  std::atomic<bool> subreaper{false};
  std::atomic<bool> execed{false};
  std::atomic<void*> embedder{nullptr};
  // Guarded.
  List<TaskImpl> thread_list;
  int reserved_threads = 0;  // to be published into this group
  List<GroupImpl> child_list;
  Link<GroupImpl> all_link{this};  // linked: the engine holds a reference
  Link<GroupImpl> sibling{this};
  Link<GroupImpl> pgid_link{this};
  Link<GroupImpl> sid_link{this};

  bool alive() const { return life.load(std::memory_order_acquire) == GroupState::kAlive; }
  bool is_init_of(const NamespaceImpl* ns) const {
    return ns->child_reaper.load(std::memory_order_acquire) == this;
  }
};

inline PidImpl* impl(Pid* p) { return static_cast<PidImpl*>(p); }
inline const PidImpl* impl(const Pid* p) { return static_cast<const PidImpl*>(p); }
inline NamespaceImpl* impl(PidNamespace* p) { return static_cast<NamespaceImpl*>(p); }
inline const NamespaceImpl* impl(const PidNamespace* p) {
  return static_cast<const NamespaceImpl*>(p);
}
inline TaskImpl* impl(Task* p) { return static_cast<TaskImpl*>(p); }
inline const TaskImpl* impl(const Task* p) { return static_cast<const TaskImpl*>(p); }
inline GroupImpl* impl(ThreadGroup* p) { return static_cast<GroupImpl*>(p); }
inline const GroupImpl* impl(const ThreadGroup* p) { return static_cast<const GroupImpl*>(p); }

// A Ref to what `pointer` points to at this moment; null if that is nothing. Retries while the
// object found is on its way out, for then the pointer is about to change.
template <typename Public, typename Impl>
Ref<Public> load_ref(const std::atomic<Impl*>& pointer) {
  RcuGuard guard;
  while (true) {
    Impl* object = pointer.load(std::memory_order_acquire);
    if (object == nullptr) return nullptr;
    if (object->try_acquire()) return Ref<Public>::adopt(object);
    if (pointer.load(std::memory_order_acquire) == object) return nullptr;
  }
}

// Replaces a pointer that holds a reference.
template <typename Impl>
void store_ref(std::atomic<Impl*>& pointer, Impl* object) {
  if (object != nullptr) object->acquire();
  Impl* old = pointer.exchange(object, std::memory_order_acq_rel);
  if (old != nullptr) old->release();
}

}  // namespace warren::kernel
