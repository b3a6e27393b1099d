// Process groups and sessions.
#include <cerrno>

#include "kernel/core.h"
#include "warren/kernel.h"

namespace warren {

using kernel::Core;
using kernel::GroupImpl;
using kernel::impl;
using kernel::NamespaceImpl;
using kernel::PidImpl;
using kernel::TaskImpl;

namespace {

PidImpl* session_of(const GroupImpl* group) {
  return group->session.load(std::memory_order_relaxed);
}

// A host_pid() whose last user had left: it counts again.
void revive(Core& core, PidImpl* pid) WARREN_REQUIRES(core.tasklist) {
  if (!pid->unused()) return;
  const kernel::NumberArray* array = pid->array();
  const kernel::Upid& upid = array->upids()[0];
  if (array->level != 0 || upid.ns->numbers.taken(upid.nr)) return;
  if (upid.ns->numbers.take_any(upid.nr, core.nodes) != 0) return;
  upid.ns->numbers.publish(upid.nr, pid);
  pid->published = true;
}

void begin_session(Core& core, GroupImpl* group) WARREN_REQUIRES(core.tasklist) {
  group->leads_session.store(true, std::memory_order_release);
  core.set_session(group, group->identity);
  core.set_pgrp(group, group->identity);
}

}  // namespace

Result<void> Kernel::setpgid(Task& caller_task, Nr pid, Nr pgid) {
  const TaskImpl* caller = impl(&caller_task);
  GroupImpl* self = caller->thread_group;
  Core::Writer lock(*core_);
  const NamespaceImpl* ns = caller->active_ns();
  if (pid == 0) pid = self->identity->nr(ns);
  if (pgid == 0) pgid = pid;
  if (pgid < 0) return Errno{EINVAL};  // "EINVAL pgid is less than 0"
  PidImpl* found = ns->numbers.lookup(pid);
  if (found == nullptr || found->task.load(std::memory_order_relaxed) == nullptr) {
    return Errno{ESRCH};
  }
  GroupImpl* group = found->group.load(std::memory_order_relaxed);
  if (group == nullptr) return Errno{EINVAL};  // a thread that is not the leader
  if (group->father.load(std::memory_order_relaxed) == self) {
    // "EPERM ... to change the process group ID of one of the children of the calling process and
    // the child was in a different session"
    if (session_of(group) != session_of(self)) return Errno{EPERM};
    // "EACCES ... and the child had already performed an execve(2)"
    if (group->execed.load(std::memory_order_relaxed)) return Errno{EACCES};
  } else if (group != self) {
    return Errno{ESRCH};  // "pid is not the calling process and not a child"
  }
  // "EPERM ... to change the process group ID of a session leader"
  if (group->leads_session.load(std::memory_order_relaxed)) return Errno{EPERM};
  PidImpl* target = group->identity;
  if (pgid != pid) {
    // "EPERM An attempt was made to move a process into a process group in a different session"
    target = ns->numbers.lookup(pgid);
    if (target == nullptr || target->pgid_members.empty()) return Errno{EPERM};
    if (session_of(target->pgid_members.front()) != session_of(self)) return Errno{EPERM};
  }
  core_->set_pgrp(group, target);
  return {};
}

Result<void> Kernel::setsid(ThreadGroup& which) {
  GroupImpl* group = impl(&which);
  Core::Writer lock(*core_);
  if (group->life.load(std::memory_order_relaxed) == GroupState::kDead) return Errno{ESRCH};
  // "EPERM The process group ID of any process equals the PID of the calling process"
  if (group->leads_session.load(std::memory_order_relaxed) ||
      !group->identity->pgid_members.empty()) {
    return Errno{EPERM};
  }
  begin_session(*core_, group);
  return {};
}

void Kernel::commit_setsid(ThreadGroup& which) {
  GroupImpl* group = impl(&which);
  Core::Writer lock(*core_);
  if (group->life.load(std::memory_order_relaxed) != GroupState::kDead)
    begin_session(*core_, group);
}

void Kernel::set_pgrp(ThreadGroup& which, Pid& pgid) {
  GroupImpl* group = impl(&which);
  Core::Writer lock(*core_);
  if (group->life.load(std::memory_order_relaxed) == GroupState::kDead) return;
  revive(*core_, impl(&pgid));
  core_->set_pgrp(group, impl(&pgid));
}

void Kernel::set_session(ThreadGroup& which, Pid& sid) {
  GroupImpl* group = impl(&which);
  Core::Writer lock(*core_);
  if (group->life.load(std::memory_order_relaxed) == GroupState::kDead) return;
  revive(*core_, impl(&sid));
  core_->set_session(group, impl(&sid));
}

std::vector<Ref<ThreadGroup>> Kernel::members(const Pid& which, PidType type) const noexcept {
  const PidImpl* pid = impl(&which);
  std::vector<Ref<ThreadGroup>> all;
  MutexLock lock(core_->tasklist);
  if (type == PidType::kPgid) {
    for (GroupImpl& group : pid->pgid_members) all.emplace_back(&group);
  } else if (type == PidType::kSid) {
    for (GroupImpl& group : pid->sid_members) all.emplace_back(&group);
  } else if (GroupImpl* group = pid->group.load(std::memory_order_relaxed)) {
    all.emplace_back(group);
  }
  return all;
}

}  // namespace warren
