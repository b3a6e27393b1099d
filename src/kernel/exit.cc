// The end of tasks: exec's de-threading, exit, orphans, zap and reaping.
#include <csignal>

#include "kernel/core.h"
#include "kernel/family.h"
#include "warren/kernel.h"

namespace warren {

using kernel::Core;
using kernel::GroupImpl;
using kernel::impl;
using kernel::NamespaceImpl;
using kernel::NumberArray;
using kernel::PidImpl;
using kernel::TaskImpl;

namespace kernel {
namespace {

// Whether making `candidate` the parent of `child` would close a circle. Only a process that moved
// into a namespace can have that namespace's init among its descendants.
bool descends_from(const GroupImpl* candidate, const GroupImpl* child) {
  for (; candidate != nullptr; candidate = candidate->father.load(std::memory_order_relaxed)) {
    if (candidate == child) return true;
  }
  return false;
}

int level_of(const GroupImpl* group) { return group->identity->array()->level; }

}  // namespace

GroupImpl* choose_reaper(const Core& core, const GroupImpl* father, const GroupImpl* child,
                         GroupImpl* grandfather) {
  // prctl(2), PR_SET_CHILD_SUBREAPER: the nearest living ancestor that asked for orphans; the
  // search ends where the namespace level changes, as Linux's does.
  const int level = level_of(father);
  for (GroupImpl* above = grandfather;
       core.subreapers > 0 && above != nullptr && level_of(above) == level;
       above = above->father.load(std::memory_order_relaxed)) {
    if (above->subreaper.load(std::memory_order_relaxed) && above->alive() &&
        !(core.moved && descends_from(above, child))) {
      return above;
    }
  }
  // pid_namespaces(7): the init of the father's namespace; that of the child's own when the father
  // has left the namespace that they shared.
  const NamespaceImpl* ns = father->identity->own_ns();
  if (child->identity->nr(ns) == 0) ns = child->identity->own_ns();
  for (; ns != nullptr; ns = ns->up) {
    GroupImpl* init = ns->child_reaper.load(std::memory_order_relaxed);
    if (init == child) continue;
    if (init == nullptr || init == father || !init->alive()) return nullptr;
    if (core.moved && descends_from(init, child)) continue;
    return init;
  }
  return nullptr;
}

}  // namespace kernel

namespace {

// The last thread is gone: namespaces lose their init, children their parent.
void end_process(Core& core, GroupImpl* group, ExitResult& result) WARREN_REQUIRES(core.tasklist) {
  group->life.store(GroupState::kZombie, std::memory_order_release);
  result.group_dead = true;
  const NumberArray* array = group->identity->array();
  const bool is_init = group->founded.load(std::memory_order_relaxed) != 0;
  for (int i = 0; is_init && i <= array->level; ++i) {
    NamespaceImpl* ns = array->upids()[i].ns;
    if (!group->is_init_of(ns)) continue;
    if (result.dying.empty()) core.disable(ns);  // and with it all below
    result.dying.emplace_back(ns);
  }
  while (GroupImpl* child = group->child_list.front()) {
    core.set_father(child, kernel::choose_reaper(core, group, child,
                                                 group->father.load(std::memory_order_relaxed)));
    result.reparented.emplace_back(child);
  }
}

}  // namespace

ExitResult Kernel::exit_task(Task& which, int wait_status) noexcept {
  ExitResult result;
  TaskImpl* task = impl(&which);
  GroupImpl* group = task->thread_group;
  Core::Writer lock(*core_);
  if (!task->running.load(std::memory_order_relaxed)) return result;
  if (task == group->head.load(std::memory_order_relaxed)) {
    task->running.store(false, std::memory_order_release);
    group->live_threads.fetch_sub(1, std::memory_order_relaxed);
    group->status.store(wait_status, std::memory_order_release);
  } else {
    core_->drop_task(task);
  }
  if (group->live_threads.load(std::memory_order_relaxed) == 0) {
    end_process(*core_, group, result);
  }
  return result;
}

void Kernel::set_exit_status(ThreadGroup& group, int wait_status) {
  impl(&group)->status.store(wait_status, std::memory_order_release);
}

void Kernel::exec(Task& which) {
  TaskImpl* task = impl(&which);
  GroupImpl* group = task->thread_group;
  Core::Writer lock(*core_);
  if (!task->running.load(std::memory_order_relaxed)) return;
  TaskImpl* leader = group->head.load(std::memory_order_relaxed);
  for (TaskImpl* other = group->thread_list.front(); other != nullptr;) {
    TaskImpl* next = group->thread_list.after(other->thread_link);
    if (other != task && other != leader) core_->drop_task(other);
    other = next;
  }
  if (task != leader) {
    // execve(2): the thread takes the place and the id of the leader; its own id is free.
    PidImpl* own = task->identity.load(std::memory_order_relaxed);
    PidImpl* pid = group->identity;
    leader->acquire();  // drop_task() gives up the engine's
    core_->drop_task(leader);
    leader->release();
    own->task.store(nullptr, std::memory_order_release);
    core_->free_if_unused(own);
    pid->task.store(task, std::memory_order_release);
    store_ref(task->identity, pid);
    group->head.store(task, std::memory_order_release);
  }
  group->execed.store(true, std::memory_order_release);
  group->end_signal.store(SIGCHLD, std::memory_order_release);
}

void Kernel::reap(ThreadGroup& group) {
  Core::Writer lock(*core_);
  core_->reap(impl(&group));
}

std::vector<Ref<ThreadGroup>> Kernel::begin_zap(PidNamespace& target) noexcept {
  NamespaceImpl* ns = impl(&target);
  std::vector<Ref<ThreadGroup>> living;
  Core::Writer lock(*core_);
  core_->disable(ns);
  Nr nr = 0;
  while (PidImpl* pid = ns->numbers.next(nr + 1, &nr)) {
    GroupImpl* group = pid->group.load(std::memory_order_relaxed);
    if (group != nullptr && group->alive() && !group->is_init_of(ns)) living.emplace_back(group);
  }
  return living;
}

bool Kernel::zap_complete(const PidNamespace& target) const {
  const NamespaceImpl* ns = impl(&target);
  MutexLock lock(core_->tasklist);
  int inits = 0;
  if (const GroupImpl* init = ns->child_reaper.load(std::memory_order_relaxed)) {
    for ([[maybe_unused]] const TaskImpl& task : init->thread_list) ++inits;
  }
  return ns->visible_tasks.load(std::memory_order_relaxed) == inits && ns->reservations == 0;
}

void Kernel::set_child_subreaper(ThreadGroup& group, bool on) {
  Core::Writer lock(*core_);
  const bool was = impl(&group)->subreaper.exchange(on, std::memory_order_acq_rel);
  // The count only says whether a search is worth while; one that died as subreaper stays counted.
  if (on && !was) ++core_->subreapers;
  if (!on && was) --core_->subreapers;
}

}  // namespace warren
