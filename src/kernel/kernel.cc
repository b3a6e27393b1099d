#include "warren/kernel.h"

#include <algorithm>
#include <cerrno>
#include <new>

#include "kernel/core.h"

namespace warren {

using kernel::Core;
using kernel::GroupImpl;
using kernel::impl;
using kernel::NamespaceImpl;
using kernel::PidImpl;
using kernel::RcuGuard;
using kernel::TaskImpl;

Kernel::Kernel(std::unique_ptr<Core> core) : core_(std::move(core)) {}

Kernel::~Kernel() = default;

Result<std::unique_ptr<Kernel>> Kernel::create(const KernelOptions& options) {
  if (options.pid_max <= kReservedPids || options.pid_max > kPidMaxCeiling) return Errno{EINVAL};
  std::unique_ptr<Core> core(new (std::nothrow) Core(options));
  if (core == nullptr) return Errno{ENOMEM};
  {
    MutexLock lock(core->tasklist);
    core->root = core->new_namespace(nullptr, options.root_inode, options.pid_max);
    if (core->root == nullptr) return Errno{ENOMEM};
  }
  std::unique_ptr<Kernel> kernel(new (std::nothrow) Kernel(std::move(core)));
  if (kernel == nullptr) return Errno{ENOMEM};
  return kernel;
}

PidNamespace& Kernel::root() const { return *core_->root; }

const Pid* Kernel::lookup_pid(const PidNamespace& ns, Nr nr, const ReadSection&) const {
  return impl(&ns)->numbers.lookup(nr);
}

Ref<Pid> Kernel::find_pid(const PidNamespace& ns, Nr nr) const {
  RcuGuard guard;
  PidImpl* pid = impl(&ns)->numbers.lookup(nr);
  return pid != nullptr && pid->try_acquire() ? Ref<Pid>::adopt(pid) : nullptr;
}

Ref<Task> Kernel::find_task(const PidNamespace& ns, Nr tid) const {
  RcuGuard guard;
  PidImpl* pid = impl(&ns)->numbers.lookup(tid);
  if (pid == nullptr) return nullptr;
  TaskImpl* task = pid->task.load(std::memory_order_acquire);
  return task != nullptr && task->try_acquire() ? Ref<Task>::adopt(task) : nullptr;
}

Ref<ThreadGroup> Kernel::find_group(const PidNamespace& ns, Nr tgid) const {
  RcuGuard guard;
  PidImpl* pid = impl(&ns)->numbers.lookup(tgid);
  if (pid == nullptr) return nullptr;
  GroupImpl* group = pid->group.load(std::memory_order_acquire);
  return group != nullptr && group->try_acquire() ? Ref<ThreadGroup>::adopt(group) : nullptr;
}

Nr Kernel::next_group(const PidNamespace& ns, Nr at_least) const {
  MutexLock lock(core_->tasklist);
  Nr nr = 0;
  for (Nr from = at_least;; from = nr + 1) {
    const PidImpl* pid = impl(&ns)->numbers.next(from, &nr);
    if (pid == nullptr) return 0;
    if (pid->group.load(std::memory_order_relaxed) != nullptr) return nr;
  }
}

namespace {

NamespaceSnapshot describe(NamespaceImpl& ns) {
  NamespaceSnapshot s;
  s.ns = Ref<PidNamespace>(&ns);
  s.parent = Ref<PidNamespace>(ns.up);
  s.init = Ref<ThreadGroup>(ns.child_reaper.load(std::memory_order_relaxed));
  s.level = ns.depth;
  s.alive = !ns.disabled.load(std::memory_order_relaxed);
  s.nr_tasks = ns.own_tasks.load(std::memory_order_relaxed);
  return s;
}

TaskSnapshot describe(GroupImpl& group, TaskImpl& task) {
  TaskSnapshot s;
  NamespaceImpl* ns = task.active_ns();
  s.task = Ref<Task>(&task);
  s.group = Ref<ThreadGroup>(&group);
  s.ns = Ref<PidNamespace>(ns);
  s.numbers = task.numbers();
  s.tgid = group.identity->numbers();
  s.parent = Ref<ThreadGroup>(group.father.load(std::memory_order_relaxed));
  s.pgid = Ref<Pid>(group.pgrp.load(std::memory_order_relaxed));
  s.sid = Ref<Pid>(group.session.load(std::memory_order_relaxed));
  s.is_leader = group.head.load(std::memory_order_relaxed) == &task;
  s.alive = task.running.load(std::memory_order_relaxed);
  s.is_init = group.is_init_of(ns);
  s.state = group.life.load(std::memory_order_relaxed);
  return s;
}

}  // namespace

Snapshot Kernel::snapshot() const noexcept {
  Snapshot all;
  {
    MutexLock lock(core_->tasklist);
    NamespaceImpl* root = core_->root;
    for (NamespaceImpl* ns = root; ns != nullptr; ns = core_->next_namespace(root, ns)) {
      if (!ns->try_acquire()) continue;  // only waits to be freed
      all.namespaces.push_back(describe(*ns));
      ns->release();
    }
    for (GroupImpl& group : core_->groups) {
      for (TaskImpl& task : group.thread_list) all.tasks.push_back(describe(group, task));
    }
  }
  std::sort(all.tasks.begin(), all.tasks.end(), [](const TaskSnapshot& a, const TaskSnapshot& b) {
    return a.numbers.front() < b.numbers.front();
  });
  return all;
}

}  // namespace warren
