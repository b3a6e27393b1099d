// Live tasks and their namespaces: where children go, gaining a level, changing the namespace.
#include <cerrno>
#include <memory>
#include <new>
#include <vector>

#include "kernel/core.h"
#include "warren/kernel.h"

namespace warren {

using kernel::Core;
using kernel::GroupImpl;
using kernel::impl;
using kernel::NamespaceImpl;
using kernel::NumberArray;
using kernel::PidImpl;
using kernel::TaskImpl;
using kernel::Upid;

namespace {

// The new numbers of one thread, not visible yet.
struct Renumbering {
  TaskImpl* task;
  NumberArray* array;
};

// Numbers for all threads of a process below the level `kept`, or none of them.
class Plan {
 public:
  Plan(GroupImpl* group, NamespaceImpl* target, int kept, bool same_numbers)
      : group_(group), target_(target), kept_(kept), same_numbers_(same_numbers) {}
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;
  ~Plan() = default;

  // 0, EAGAIN or ENOMEM; then nothing is taken.
  int prepare(Core& core) WARREN_REQUIRES(core.tasklist) {
    try {
      threads_.reserve(static_cast<std::size_t>(group_->nr_threads()) + 1);
    } catch (const std::bad_alloc&) {
      return ENOMEM;
    }
    int error = 0;
    for (TaskImpl& task : group_->thread_list) {
      error = renumber(core, task);
      if (error != 0) break;
    }
    if (error != 0) undo(core);
    return error;
  }

  // Readers see the new numbers; the old ones that are left are free. Never fails.
  void commit(Core& core) WARREN_REQUIRES(core.tasklist) {
    for (const Renumbering& thread : threads_) {
      PidImpl* pid = thread.task->identity.load(std::memory_order_relaxed);
      NumberArray* old = pid->tuple.load(std::memory_order_relaxed);
      NamespaceImpl* left = old->upids()[old->level].ns;
      core.count_task(left, -1);
      for (int i = kept_ + 1; i <= old->level; ++i) {
        old->upids()[i].ns->numbers.release(old->upids()[i].nr, core.nodes);
      }
      target_->acquire();
      pid->tuple.store(thread.array, std::memory_order_release);
      for (int i = kept_ + 1; i <= thread.array->level; ++i) {
        const Upid& upid = thread.array->upids()[i];
        upid.ns->numbers.publish(upid.nr, pid);
      }
      core.count_task(target_, 1);
      store_ref(thread.task->ns_for_children, target_);
      core.retire_array(pid, old);
      left->release();
    }
  }

 private:
  int renumber(Core& core, TaskImpl& task) WARREN_REQUIRES(core.tasklist) {
    const NumberArray* old = task.identity.load(std::memory_order_relaxed)->array();
    NumberArray* array = core.new_array(target_->depth);
    if (array == nullptr) return ENOMEM;
    threads_.push_back(Renumbering{&task, array});
    NamespaceImpl* ns = target_;
    for (int i = target_->depth; i >= 0; --i, ns = ns->up) {
      array->upids()[i] = Upid{ns, i <= kept_ ? old->upids()[i].nr : 0};
    }
    for (int i = kept_ + 1; i <= target_->depth; ++i) {
      Upid& upid = array->upids()[i];
      // The number it had at that level, or in its old namespace when it had none so deep.
      const Nr wish = old->upids()[i <= old->level ? i : old->level].nr;
      if (same_numbers_ && upid.ns->numbers.take(wish, core.nodes) == 0) {
        upid.nr = wish;
        continue;
      }
      const Nr given = upid.ns->numbers.allocate(core.nodes);
      if (given <= 0) return given < 0 ? ENOMEM : EAGAIN;
      upid.nr = given;
    }
    return 0;
  }

  void undo(Core& core) WARREN_REQUIRES(core.tasklist) {
    for (const Renumbering& thread : threads_) {
      for (int i = kept_ + 1; i <= thread.array->level; ++i) {
        const Upid& upid = thread.array->upids()[i];
        if (upid.nr != 0) upid.ns->numbers.release(upid.nr, core.nodes);
      }
      core.delete_array(thread.array);
    }
  }

  GroupImpl* const group_;
  NamespaceImpl* const target_;
  const int kept_;
  const bool same_numbers_;
  std::vector<Renumbering> threads_;
};

const NamespaceImpl* common_ancestor(const NamespaceImpl* a, const NamespaceImpl* b) {
  const int depth = a->depth < b->depth ? a->depth : b->depth;
  a = a->ancestor_at(depth);
  b = b->ancestor_at(depth);
  while (a != b) {
    a = a->up;
    b = b->up;
  }
  return a;
}

}  // namespace

Result<void> Kernel::unshare_pid(Task& which) {
  TaskImpl* task = impl(&which);
  Core::Writer lock(*core_);
  NamespaceImpl* active = task->active_ns();
  // pid_namespaces(7): only once, unless setns brings it back to its own.
  if (task->ns_for_children.load(std::memory_order_relaxed) != active) return Errno{EINVAL};
  if (active->disabled.load(std::memory_order_relaxed)) return Errno{ENOMEM};
  NamespaceImpl* ns = core_->new_namespace(active, 0, active->numbers.pid_max());
  if (ns == nullptr) return Errno{ENOMEM};
  store_ref(task->ns_for_children, ns);
  ns->release();
  return {};
}

Result<void> Kernel::setns_pid(Task& which, PidNamespace& target) {
  TaskImpl* task = impl(&which);
  NamespaceImpl* ns = impl(&target);
  Core::Writer lock(*core_);
  // setns(2): "The caller tried to join an ancestor PID namespace" and any other that is not below.
  if (!ns->within(task->active_ns())) return Errno{EINVAL};
  store_ref(task->ns_for_children, ns);
  return {};
}

Result<Nr> Kernel::grow(ThreadGroup& which) {
  GroupImpl* group = impl(&which);
  Core::Writer lock(*core_);
  if (!group->alive()) return Errno{ESRCH};
  if (group->reserved_threads != 0) return Errno{EBUSY};
  NamespaceImpl* active = group->identity->own_ns();
  for (TaskImpl& task : group->thread_list) {
    if (task.ns_for_children.load(std::memory_order_relaxed) != active) return Errno{EINVAL};
  }
  if (active->disabled.load(std::memory_order_relaxed)) return Errno{ENOMEM};
  NamespaceImpl* ns = core_->new_namespace(active, 0, active->numbers.pid_max());
  if (ns == nullptr) return Errno{ENOMEM};
  Ref<PidNamespace> hold = Ref<PidNamespace>::adopt(ns);
  // Numbered afresh, leader first: 1 is its own.
  Plan plan(group, ns, active->depth, false);
  if (int error = plan.prepare(*core_)) return Errno{error};
  plan.commit(*core_);
  core_->found_namespaces(group);
  return group->identity->nr(ns);
}

Result<void> Kernel::move(ThreadGroup& which, PidNamespace& target) {
  GroupImpl* group = impl(&which);
  NamespaceImpl* ns = impl(&target);
  Core::Writer lock(*core_);
  if (!group->alive()) return Errno{ESRCH};
  const NamespaceImpl* active = group->identity->own_ns();
  if (ns == active) return {};
  if (group->reserved_threads != 0) return Errno{EBUSY};
  const int kept = common_ancestor(active, ns)->depth;
  const NumberArray* array = group->identity->array();
  for (int i = kept + 1; i <= array->level; ++i) {
    if (group->is_init_of(array->upids()[i].ns)) return Errno{EBUSY};
  }
  if (ns->disabled.load(std::memory_order_relaxed)) return Errno{ENOMEM};
  const bool founded = ns->child_reaper.load(std::memory_order_relaxed) != nullptr;
  if (!founded && !(core_->pinned && ns == core_->root)) return Errno{ENOMEM};
  Plan plan(group, ns, kept, true);
  if (int error = plan.prepare(*core_)) return Errno{error};
  plan.commit(*core_);
  core_->moved = true;
  return {};
}

}  // namespace warren
