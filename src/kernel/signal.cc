// Whom a signal is meant for, seen from a namespace.
#include <cerrno>
#include <limits>
#include <new>

#include "kernel/core.h"
#include "warren/kernel.h"

namespace warren {

using kernel::GroupImpl;
using kernel::impl;
using kernel::NamespaceImpl;
using kernel::PidImpl;
using kernel::TaskImpl;

namespace {

using Targets = std::vector<Ref<ThreadGroup>>;

// kill(2): "If pid equals -1, then sig is sent to every process for which the calling process has
// permission to send signals, except for process 1"; Linux also leaves out the caller.
void everybody(const NamespaceImpl* ns, const GroupImpl* self, Targets& targets) {
  Nr nr = 1;
  while (PidImpl* pid = ns->numbers.next(nr + 1, &nr)) {
    GroupImpl* group = pid->group.load(std::memory_order_relaxed);
    if (group != nullptr && group != self) targets.emplace_back(group);
  }
}

void group_members(const NamespaceImpl* ns, const PidImpl* pgid, Targets& targets) {
  if (pgid == nullptr) return;
  for (GroupImpl& group : pgid->pgid_members) {
    if (group.identity->nr(ns) != 0) targets.emplace_back(&group);
  }
}

}  // namespace

Result<std::vector<Ref<ThreadGroup>>> Kernel::signal_targets(Task& sender, Nr pid) const try {
  const TaskImpl* task = impl(&sender);
  Targets targets;
  MutexLock lock(core_->tasklist);
  const NamespaceImpl* ns = task->active_ns();
  if (pid > 0) {
    const PidImpl* found = ns->numbers.lookup(pid);
    const TaskImpl* target =
        found == nullptr ? nullptr : found->task.load(std::memory_order_relaxed);
    if (target != nullptr) targets.emplace_back(target->thread_group);
  } else if (pid == 0) {
    group_members(ns, task->thread_group->pgrp.load(std::memory_order_relaxed), targets);
  } else if (pid == -1) {
    everybody(ns, task->thread_group, targets);
  } else if (pid != std::numeric_limits<Nr>::min()) {
    group_members(ns, ns->numbers.lookup(-pid), targets);
  }
  if (targets.empty()) return Errno{ESRCH};
  return targets;
} catch (const std::bad_alloc&) {
  return Errno{ENOMEM};
}

bool Kernel::init_protected(const Task* sender, const ThreadGroup& target) {
  if (sender == nullptr) return false;
  const GroupImpl* group = impl(&target);
  if (group->founded.load(std::memory_order_acquire) == 0) return false;
  kernel::RcuGuard guard;
  const kernel::NumberArray* array = group->identity->array();
  for (int i = array->level; i >= 0; --i) {
    const NamespaceImpl* ns = array->upids()[i].ns;
    if (group->is_init_of(ns) && impl(sender)->nr(ns) != 0) return true;
  }
  return false;
}

}  // namespace warren
