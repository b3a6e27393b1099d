// How tasks, processes and namespaces hang together; the steps that fork, exec, exit and move
// share.
#include "kernel/core.h"

namespace warren::kernel {

void Core::count_task(NamespaceImpl* ns, int delta) {
  ns->own_tasks.fetch_add(delta, std::memory_order_relaxed);
  for (; ns != nullptr; ns = ns->up) ns->visible_tasks.fetch_add(delta, std::memory_order_relaxed);
}

void Core::link_task(TaskImpl* task, bool leader) {
  GroupImpl* group = task->thread_group;
  PidImpl* pid = task->identity.load(std::memory_order_relaxed);
  task->acquire();
  if (leader) {
    group->thread_list.push_front(task->thread_link);
    group->head.store(task, std::memory_order_release);
  } else {
    group->thread_list.push_back(task->thread_link);
  }
  group->live_threads.fetch_add(1, std::memory_order_relaxed);
  pid->task.store(task, std::memory_order_release);
  count_task(pid->own_ns(), 1);
}

void Core::drop_task(TaskImpl* task) {
  PidImpl* pid = task->identity.load(std::memory_order_relaxed);
  if (task->running.exchange(false, std::memory_order_acq_rel)) {
    task->thread_group->live_threads.fetch_sub(1, std::memory_order_relaxed);
  }
  List<TaskImpl>::remove(task->thread_link);
  pid->task.store(nullptr, std::memory_order_release);
  count_task(pid->own_ns(), -1);
  free_if_unused(pid);
  task->release();
}

void Core::set_father(GroupImpl* group, GroupImpl* father) {
  if (group->sibling.linked()) List<GroupImpl>::remove(group->sibling);
  group->father.store(father, std::memory_order_release);
  if (father != nullptr) father->child_list.push_back(group->sibling);
}

void Core::set_pgrp(GroupImpl* group, PidImpl* pgid) {
  PidImpl* old = group->pgrp.load(std::memory_order_relaxed);
  if (old == pgid) return;
  if (group->pgid_link.linked()) List<GroupImpl>::remove(group->pgid_link);
  pgid->pgid_members.push_back(group->pgid_link);
  if (old != nullptr) free_if_unused(old);
  store_ref(group->pgrp, pgid);
}

void Core::set_session(GroupImpl* group, PidImpl* sid) {
  PidImpl* old = group->session.load(std::memory_order_relaxed);
  if (old == sid) return;
  if (group->sid_link.linked()) List<GroupImpl>::remove(group->sid_link);
  sid->sid_members.push_back(group->sid_link);
  if (old != nullptr) free_if_unused(old);
  store_ref(group->session, sid);
}

void Core::make_init(GroupImpl* group, NamespaceImpl* ns) {
  group->founded.fetch_add(1, std::memory_order_release);
  ns->child_reaper.store(group, std::memory_order_release);
  ns->had_init.store(true, std::memory_order_release);
}

void Core::found_namespaces(GroupImpl* group) {
  const NumberArray* array = group->identity->array();
  for (int i = array->level; i >= (pinned ? 1 : 0); --i) {
    NamespaceImpl* ns = array->upids()[i].ns;
    if (!ns->had_init.load(std::memory_order_relaxed)) make_init(group, ns);
  }
}

void Core::disable(NamespaceImpl* top) {
  for (NamespaceImpl* ns = top; ns != nullptr; ns = next_namespace(top, ns)) {
    ns->disabled.store(true, std::memory_order_release);
  }
}

NamespaceImpl* Core::next_namespace(const NamespaceImpl* top, NamespaceImpl* ns) const {
  if (NamespaceImpl* child = ns->children.front()) return child;
  for (; ns != top; ns = ns->up) {
    if (NamespaceImpl* sibling = ns->up->children.after(ns->sibling)) return sibling;
  }
  return nullptr;
}

void Core::reap(GroupImpl* group) {
  if (group->life.load(std::memory_order_relaxed) != GroupState::kZombie) return;
  group->life.store(GroupState::kDead, std::memory_order_release);
  PidImpl* pid = group->identity;
  TaskImpl* leader = group->head.exchange(nullptr, std::memory_order_acq_rel);
  pid->group.store(nullptr, std::memory_order_release);
  set_father(group, nullptr);
  // The group keeps its references to both, for those who still ask.
  List<GroupImpl>::remove(group->pgid_link);
  List<GroupImpl>::remove(group->sid_link);
  PidImpl* pgid = group->pgrp.load(std::memory_order_relaxed);
  PidImpl* sid = group->session.load(std::memory_order_relaxed);
  drop_task(leader);
  if (pgid != pid) free_if_unused(pgid);
  if (sid != pid && sid != pgid) free_if_unused(sid);
  const NumberArray* array = pid->array();
  const bool was_init = group->founded.exchange(0, std::memory_order_acq_rel) != 0;
  for (int i = array->level; was_init && i >= 0; --i) {
    NamespaceImpl* ns = array->upids()[i].ns;
    if (group->is_init_of(ns)) ns->child_reaper.store(nullptr, std::memory_order_release);
  }
  List<GroupImpl>::remove(group->all_link);
  group->release();
}

}  // namespace warren::kernel
