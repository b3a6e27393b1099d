// Memory of the engine's objects: made under the tasklist lock, freed after a grace period.
#include <cstdio>
#include <cstdlib>
#include <new>

#include "kernel/core.h"

namespace warren {

void RefCounted::retire() const { core_->retire(this); }

namespace kernel {

Core::Core(const KernelOptions& options)
    : pinned(options.pin_level0),
      next_inode(options.first_inode),
      pid_slabs_{Slab(PidImpl::bytes(0)), Slab(PidImpl::bytes(1)), Slab(PidImpl::bytes(2)),
                 Slab(PidImpl::bytes(3)), Slab(PidImpl::bytes(4)), Slab(PidImpl::bytes(5)),
                 Slab(PidImpl::bytes(6)), Slab(PidImpl::bytes(7))},
      namespace_slab_(sizeof(NamespaceImpl)),
      task_slab_(sizeof(TaskImpl)),
      group_slab_(sizeof(GroupImpl)) {}

Core::~Core() {
  {
    MutexLock lock(tasklist);
    tear_down();
    if (root != nullptr) root->release();
  }
  // Each round may drop references that make work for the next.
  while (retired_count_.load(std::memory_order_relaxed) != 0) collect();
  collect();
  MutexLock lock(tasklist);
  std::size_t live = namespace_slab_.live() + task_slab_.live() + group_slab_.live() + deep_pids_;
  for (const Slab& slab : pid_slabs_) live += slab.live();
  if (live != 0) {
    std::fprintf(stderr, "warren: a Kernel was destroyed while %zu of its objects were in use\n",
                 live);
    std::abort();
  }
}

void Core::tear_down() {
  while (GroupImpl* group = groups.front()) {
    while (GroupImpl* child = group->child_list.front()) set_father(child, nullptr);
    TaskImpl* leader = group->head.load(std::memory_order_relaxed);
    for (TaskImpl* task = group->thread_list.front(); task != nullptr;) {
      TaskImpl* next = group->thread_list.after(task->thread_link);
      if (task != leader) drop_task(task);
      task = next;
    }
    group->life.store(GroupState::kZombie, std::memory_order_relaxed);
    reap(group);
  }
}

PidImpl* Core::new_pid(int level) {
  void* block = level < kSlabLevels ? pid_slabs_[static_cast<std::size_t>(level)].allocate()
                                    : ::operator new(PidImpl::bytes(level), std::nothrow);
  if (block == nullptr) return nullptr;
  if (level >= kSlabLevels) ++deep_pids_;
  return new (block) PidImpl(this, level);
}

NamespaceImpl* Core::new_namespace(NamespaceImpl* parent, std::uint64_t inode, Nr pid_max) {
  void* block = namespace_slab_.allocate();
  if (block == nullptr) return nullptr;
  auto* ns = new (block) NamespaceImpl(this, parent, inode == 0 ? next_inode++ : inode, pid_max);
  if (parent != nullptr) parent->children.push_back(ns->sibling);
  return ns;
}

TaskImpl* Core::new_task(GroupImpl* group, PidImpl* pid, NamespaceImpl* for_children) {
  void* block = task_slab_.allocate();
  return block == nullptr ? nullptr : new (block) TaskImpl(this, group, pid, for_children);
}

GroupImpl* Core::new_group(PidImpl* pid) {
  void* block = group_slab_.allocate();
  return block == nullptr ? nullptr : new (block) GroupImpl(this, pid);
}

NumberArray* Core::new_array(int level) {
  void* block = ::operator new(sizeof(RetiredLink) + NumberArray::bytes(level), std::nothrow);
  return block == nullptr ? nullptr : new (new (block) RetiredLink{nullptr} + 1) NumberArray{level};
}

void Core::delete_array(NumberArray* array) {
  ::operator delete(reinterpret_cast<RetiredLink*>(array) - 1);
}

void Core::retire_array(PidImpl* pid, NumberArray* array) {
  if (array == pid->built_in()) return;  // goes with the Pid
  RetiredLink* link = reinterpret_cast<RetiredLink*>(array) - 1;
  link->next = retired_arrays_;
  retired_arrays_ = link;
  retired_count_.fetch_add(1, std::memory_order_relaxed);
}

void Core::retire(const RefCounted* object) {
  auto* item = const_cast<RefCounted*>(object);
  RefCounted* head = retired_.load(std::memory_order_relaxed);
  do {
    item->retired_next_ = head;
  } while (!retired_.compare_exchange_weak(head, item, std::memory_order_release,
                                           std::memory_order_relaxed));
  retired_count_.fetch_add(1, std::memory_order_relaxed);
}

void Core::collect() {
  if (collecting_.exchange(true, std::memory_order_acquire)) return;
  PidNode* dead_nodes = nullptr;
  RetiredLink* dead_arrays = nullptr;
  RefCounted* dead = nullptr;
  {
    MutexLock lock(tasklist);
    dead_nodes = nodes.take_retired();
    dead_arrays = retired_arrays_;
    retired_arrays_ = nullptr;
    dead = retired_.exchange(nullptr, std::memory_order_acquire);
  }
  wait_for_readers();
  {
    MutexLock lock(tasklist);
    while (dead_nodes != nullptr) {
      PidNode* next = dead_nodes->up;
      nodes.destroy(dead_nodes);
      dead_nodes = next;
    }
    std::uint32_t count = 0;
    while (dead_arrays != nullptr) {
      RetiredLink* next = dead_arrays->next;
      ::operator delete(dead_arrays);
      dead_arrays = next;
      ++count;
    }
    while (dead != nullptr) {
      RefCounted* next = dead->retired_next_;
      destroy(dead);
      dead = next;
      ++count;
    }
    retired_count_.fetch_sub(count, std::memory_order_relaxed);
  }
  collecting_.store(false, std::memory_order_release);
}

void Core::destroy(RefCounted* object) {
  switch (object->kind_) {
    case RefCounted::Kind::kPid:
      destroy_pid(static_cast<PidImpl*>(object));
      break;
    case RefCounted::Kind::kNamespace:
      destroy_namespace(static_cast<NamespaceImpl*>(object));
      break;
    case RefCounted::Kind::kTask: {
      auto* task = static_cast<TaskImpl*>(object);
      task->thread_group->release();
      task->identity.load(std::memory_order_relaxed)->release();
      task->ns_for_children.load(std::memory_order_relaxed)->release();
      task->~TaskImpl();
      task_slab_.free(task);
      break;
    }
    case RefCounted::Kind::kGroup: {
      auto* group = static_cast<GroupImpl*>(object);
      if (PidImpl* pgid = group->pgrp.load(std::memory_order_relaxed)) pgid->release();
      if (PidImpl* sid = group->session.load(std::memory_order_relaxed)) sid->release();
      group->identity->release();
      group->~GroupImpl();
      group_slab_.free(group);
      break;
    }
  }
}

void Core::destroy_pid(PidImpl* pid) {
  NumberArray* array = pid->tuple.load(std::memory_order_relaxed);
  // A host_pid() that nothing ever used is still to be found.
  if (pid->published) free_numbers(pid);
  if (pid->freed_while_dying) {
    // A reader may have found it just before its numbers were freed: another grace period.
    pid->freed_while_dying = false;
    retire(pid);
    return;
  }
  NamespaceImpl* ns = array->upids()[array->level].ns;
  if (array != pid->built_in()) delete_array(array);
  const int level = pid->built_in()->level;
  pid->~PidImpl();
  if (level < kSlabLevels) {
    pid_slabs_[static_cast<std::size_t>(level)].free(pid);
  } else {
    ::operator delete(pid);
    --deep_pids_;
  }
  ns->release();
}

void Core::destroy_namespace(NamespaceImpl* ns) {
  NamespaceImpl* parent = ns->up;
  if (ns->sibling.linked()) List<NamespaceImpl>::remove(ns->sibling);
  ns->numbers.destroy_nodes(nodes);
  ns->~NamespaceImpl();
  namespace_slab_.free(ns);
  if (parent != nullptr) parent->release();
}

std::size_t Core::footprint() const {
  std::size_t bytes = namespace_slab_.footprint() + task_slab_.footprint() +
                      group_slab_.footprint() + nodes.slab().footprint();
  for (const Slab& slab : pid_slabs_) bytes += slab.footprint();
  return bytes;
}

}  // namespace kernel
}  // namespace warren
