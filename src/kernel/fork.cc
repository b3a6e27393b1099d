// Creation of tasks and namespaces: reserve, then publish or cancel.
#include <cerrno>
#include <memory>
#include <new>
#include <utility>

#include "kernel/core.h"
#include "kernel/family.h"
#include "warren/kernel.h"

namespace warren {

using kernel::Core;
using kernel::GroupImpl;
using kernel::impl;
using kernel::NamespaceImpl;
using kernel::PidImpl;
using kernel::TaskImpl;

struct ForkReservation::State {
  Core* core;
  TaskImpl* parent;   // holds a reference
  NamespaceImpl* ns;  // holds a reference
  PidImpl* pid;       // the only reference, as are the two below
  TaskImpl* task;
  GroupImpl* group;  // null for a thread
  // The parent's process group and session: their numbers stay, even if the parent is reaped before
  // the child is published. References; null for a thread.
  PidImpl* pgrp = nullptr;
  PidImpl* session = nullptr;
  // The parent's parent, for an orphan whose parent is reaped before it is published. A reference;
  // may be null.
  GroupImpl* grandfather = nullptr;
  bool clone_parent = false;
  int exit_signal = 0;

  void pin_groups() {
    const GroupImpl* creator = parent->thread_group;
    pgrp = creator->pgrp.load(std::memory_order_relaxed);
    session = creator->session.load(std::memory_order_relaxed);
    for (PidImpl* pin : {pgrp, session}) {
      pin->acquire();
      ++pin->pins;
    }
    grandfather = creator->father.load(std::memory_order_relaxed);
    if (grandfather != nullptr) grandfather->acquire();
  }
  // Lets go of the numbers that nothing else uses; the references remain until drop().
  void unpin_groups(Core& from) WARREN_REQUIRES(from.tasklist) {
    if (pgrp == nullptr) return;
    --pgrp->pins;
    --session->pins;
    from.free_if_unused(pgrp);
    if (session != pgrp) from.free_if_unused(session);
  }

  void drop() {
    if (pgrp != nullptr) pgrp->release();
    if (session != nullptr) session->release();
    if (grandfather != nullptr) grandfather->release();
    if (task != nullptr) task->release();
    if (group != nullptr) group->release();
    if (pid != nullptr) pid->release();
    ns->release();
    parent->release();
  }
};

ForkReservation::ForkReservation(ForkReservation&& other) noexcept
    : state_(std::exchange(other.state_, nullptr)) {}

ForkReservation& ForkReservation::operator=(ForkReservation&& other) noexcept {
  if (this != &other) {
    cancel();
    state_ = std::exchange(other.state_, nullptr);
  }
  return *this;
}

ForkReservation::~ForkReservation() { cancel(); }

void ForkReservation::cancel() { end(false); }

void ForkReservation::abandon() { end(true); }

void ForkReservation::end(bool seen) {
  State* state = std::exchange(state_, nullptr);
  if (state == nullptr) return;
  {
    Core& core = *state->core;
    Core::Writer lock(core);
    core.cancel_numbers(state->pid, seen);
    if (state->group == nullptr) --state->parent->thread_group->reserved_threads;
    state->unpin_groups(core);
    --core.open_reservations;
  }
  state->drop();
  delete state;
}

Nr ForkReservation::nr_in(const PidNamespace& ns) const { return state_->pid->nr_in(ns); }

Nr ForkReservation::vnr() const { return state_->pid->vnr(); }

PidNamespace& ForkReservation::ns() const { return *state_->ns; }

bool ForkReservation::is_thread() const { return state_->group == nullptr; }

namespace {

// clone(2), clone3(2): what is wrong with the flags, or 0.
int check_flags(const TaskImpl* parent, const ForkArgs& args) {
  const bool own_ns =
      parent->ns_for_children.load(std::memory_order_relaxed) == parent->active_ns();
  // "EINVAL: CLONE_NEWPID and CLONE_THREAD were both specified"; and a thread must be in the
  // namespace of its process (pid_namespaces(7)).
  if (args.thread && (args.new_pid_ns || !own_ns)) return EINVAL;
  // After unshare or setns the caller's children go elsewhere; no second one (unshare(2)).
  if (args.new_pid_ns && !own_ns) return EINVAL;
  // "EINVAL: CLONE_PARENT by an init process": its child would have no namespace to be an orphan
  // in.
  if (args.clone_parent && parent->thread_group->is_init()) return EINVAL;
  return 0;
}

}  // namespace

Result<ForkReservation> Kernel::reserve_fork(Task& parent_task, const ForkArgs& args) {
  TaskImpl* parent = impl(&parent_task);
  std::unique_ptr<ForkReservation::State> state(new (std::nothrow) ForkReservation::State{
      core_.get(), parent, nullptr, nullptr, nullptr, nullptr});
  if (state == nullptr) return Errno{ENOMEM};
  state->clone_parent = args.clone_parent;
  state->exit_signal = args.exit_signal;
  int error = 0;
  {
    Core::Writer lock(*core_);
    if (int bad = check_flags(parent, args)) return Errno{bad};
    NamespaceImpl* ns = parent->ns_for_children.load(std::memory_order_relaxed);
    if (args.new_pid_ns) {
      if (ns->disabled.load(std::memory_order_relaxed)) return Errno{ENOMEM};
      ns = core_->new_namespace(ns, 0, ns->numbers.pid_max());
      if (ns == nullptr) return Errno{ENOMEM};
    } else {
      ns->acquire();
    }
    parent->acquire();
    state->ns = ns;
    // A pinned level 0 gets its nodes at publishing, which cannot fail.
    const bool spare = !core_->pinned || core_->nodes.reserve((core_->open_reservations + 1) *
                                                              kernel::PidAllocator::kMaxDepth);
    state->pid = spare ? core_->new_pid(ns->depth) : nullptr;
    error = state->pid == nullptr ? ENOMEM : core_->reserve_numbers(ns, args.set_tid, state->pid);
    if (error == 0) {
      state->group = args.thread ? nullptr : core_->new_group(state->pid);
      GroupImpl* group = args.thread ? parent->thread_group : state->group;
      if (group != nullptr) state->task = core_->new_task(group, state->pid, ns);
      if (state->task == nullptr) {
        core_->cancel_numbers(state->pid);
        error = ENOMEM;
      }
    }
    if (error == 0) {
      ++core_->open_reservations;
      if (args.thread) {
        ++parent->thread_group->reserved_threads;
      } else {
        state->pin_groups();
      }
    }
  }
  if (error != 0) {
    state->drop();
    return Errno{error};
  }
  return ForkReservation(state.release());
}

namespace {

// Makes a reserved process part of the tree, everything about it being known.
void publish_group(Core& core, GroupImpl* group, TaskImpl* task, PidImpl* pid)
    WARREN_REQUIRES(core.tasklist) {
  pid->group.store(group, std::memory_order_release);
  core.groups.push_back(group->all_link);
  group->acquire();
  core.link_task(task, true);
  core.found_namespaces(group);
  core.publish_numbers(pid);
}

}  // namespace

Ref<Task> Kernel::publish_fork(ForkReservation&& reservation, Nr level0) {
  ForkReservation::State* state = std::exchange(reservation.state_, nullptr);
  TaskImpl* task = state->task;
  GroupImpl* group = task->thread_group;
  {
    Core::Writer lock(*core_);
    --core_->open_reservations;
    if (core_->pinned) {
      state->pid->built_in()->upids()[0].nr = level0;
      if (core_->claim_level0(level0) != 0) std::abort();  // a number < 1: broken contract
    }
    if (state->group == nullptr) {
      --group->reserved_threads;
      if (group->life.load(std::memory_order_relaxed) == GroupState::kDead) {
        // The process was reaped meanwhile: a thread that has ended before anybody saw it.
        core_->publish_numbers(state->pid);
        core_->free_numbers(state->pid);
        task->running.store(false, std::memory_order_release);
      } else {
        group->life.store(GroupState::kAlive, std::memory_order_release);
        core_->link_task(task, false);
        core_->publish_numbers(state->pid);
      }
    } else {
      GroupImpl* creator = state->parent->thread_group;
      const bool gone = creator->life.load(std::memory_order_relaxed) == GroupState::kDead;
      core_->set_pgrp(group, gone ? state->pgrp : creator->pgrp.load(std::memory_order_relaxed));
      core_->set_session(group,
                         gone ? state->session : creator->session.load(std::memory_order_relaxed));
      state->unpin_groups(*core_);
      GroupImpl* father = creator;
      if (state->clone_parent && !gone) {
        father = creator->father.load(std::memory_order_relaxed);
        // clone(2): with CLONE_PARENT the signal is that of the caller's own process.
        state->exit_signal = creator->end_signal.load(std::memory_order_relaxed);
      }
      group->end_signal.store(state->exit_signal, std::memory_order_relaxed);
      publish_group(*core_, group, task, state->pid);
      if (father != nullptr && !father->alive()) {
        father = kernel::choose_reaper(
            *core_, father, group,
            gone ? state->grandfather : father->father.load(std::memory_order_relaxed));
      }
      core_->set_father(group, father);
    }
  }
  Ref<Task> made(task);
  state->drop();
  delete state;
  return made;
}

Result<Ref<Task>> Kernel::adopt(PidNamespace& target, const AdoptArgs& args) {
  NamespaceImpl* ns = impl(&target);
  if (core_->pinned && args.level0 < 1) return Errno{EINVAL};
  PidImpl* pid = nullptr;
  GroupImpl* group = nullptr;
  TaskImpl* task = nullptr;
  int error = 0;
  {
    Core::Writer lock(*core_);
    if (ns->disabled.load(std::memory_order_relaxed)) return Errno{ENOMEM};
    if (args.as_init && ns->had_init.load(std::memory_order_relaxed)) return Errno{EEXIST};
    const bool spare =
        core_->nodes.reserve((core_->open_reservations + 1) * kernel::PidAllocator::kMaxDepth);
    pid = spare ? core_->new_pid(ns->depth) : nullptr;
    if (pid == nullptr) return Errno{ENOMEM};
    error = core_->reserve_numbers(ns, args.set_tid, pid);
    if (error == 0) {
      group = core_->new_group(pid);
      task = group == nullptr ? nullptr : core_->new_task(group, pid, ns);
      if (task == nullptr) {
        core_->cancel_numbers(pid);
        error = ENOMEM;
      }
    }
    if (error == 0) {
      if (core_->pinned) {
        pid->built_in()->upids()[0].nr = args.level0;
        if (core_->claim_level0(args.level0) != 0) std::abort();  // nodes were set aside
      }
      group->end_signal.store(args.exit_signal, std::memory_order_relaxed);
      core_->set_pgrp(group, args.pgid ? impl(args.pgid.get()) : pid);
      core_->set_session(group, args.sid ? impl(args.sid.get()) : pid);
      group->leads_session.store(!args.sid, std::memory_order_relaxed);
      publish_group(*core_, group, task, pid);
      if (args.as_init && core_->pinned && ns == core_->root) {
        core_->make_init(group, ns);
      }
    }
  }
  Ref<Task> made = error == 0 ? Ref<Task>(task) : nullptr;
  if (task != nullptr) task->release();
  if (group != nullptr) group->release();
  pid->release();
  if (error != 0) return Errno{error};
  return made;
}

Result<Ref<Pid>> Kernel::host_pid(Nr level0) {
  if (level0 < 0) return Errno{EINVAL};
  Core::Writer lock(*core_);
  if (level0 == 0) {
    PidImpl* nameless = core_->new_pid(0);
    if (nameless == nullptr) return Errno{ENOMEM};
    core_->root->acquire();
    nameless->built_in()->upids()[0] = kernel::Upid{core_->root, 0};
    return Ref<Pid>::adopt(nameless);
  }
  if (PidImpl* old = core_->root->numbers.lookup(level0)) {
    if (old->try_acquire()) return Ref<Pid>::adopt(old);
    core_->free_numbers(old);  // on its way out
  } else if (core_->root->numbers.taken(level0)) {
    return Errno{EBUSY};
  }
  PidImpl* pid = core_->new_pid(0);
  if (pid == nullptr) return Errno{ENOMEM};
  core_->root->acquire();
  pid->built_in()->upids()[0] = kernel::Upid{core_->root, level0};
  if (int error = core_->root->numbers.take_any(level0, core_->nodes)) {
    pid->release();
    return Errno{error};
  }
  core_->root->numbers.publish(level0, pid);
  pid->published = true;
  return Ref<Pid>::adopt(pid);
}

Result<Ref<PidNamespace>> Kernel::create_namespace(PidNamespace& parent,
                                                   const NamespaceArgs& args) {
  NamespaceImpl* above = impl(&parent);
  Core::Writer lock(*core_);
  if (above->disabled.load(std::memory_order_relaxed)) return Errno{ENOMEM};
  NamespaceImpl* ns = core_->new_namespace(above, args.inode, above->numbers.pid_max());
  if (ns == nullptr) return Errno{ENOMEM};
  return Ref<PidNamespace>::adopt(ns);
}

}  // namespace warren
