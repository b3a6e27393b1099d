// Memory: what readers may still look at is freed after a grace period.
#include "group/core.h"
#include "kernel/rcu.h"

namespace warren {

void GroupsImpl::retire(Proxy* proxy) {
  std::lock_guard guard(retired);
  proxy->retired_next = retired_proxies;
  retired_proxies = proxy;
  retired_count.fetch_add(1, std::memory_order_relaxed);
}

void GroupsImpl::retire(Group* group) {
  count_dying(*group, -1);
  std::lock_guard guard(retired);
  group->inner_->retired_next = retired_groups;
  retired_groups = group;
  retired_count.fetch_add(1, std::memory_order_relaxed);
}

void GroupsImpl::collect() {
  if (collecting.exchange(true, std::memory_order_acquire)) return;
  Proxy* dead_proxies = nullptr;
  Group* dead_groups = nullptr;
  {
    std::lock_guard guard(retired);
    std::swap(dead_proxies, retired_proxies);
    std::swap(dead_groups, retired_groups);
    retired_count.store(0, std::memory_order_relaxed);
  }
  kernel::wait_for_readers();
  while (dead_proxies != nullptr) delete std::exchange(dead_proxies, dead_proxies->retired_next);
  while (dead_groups != nullptr) {
    destroy(std::exchange(dead_groups, dead_groups->inner_->retired_next));
  }
  collecting.store(false, std::memory_order_release);
}

void GroupsImpl::destroy(Group* group) {
  Group* parent = group->parent_;
  Hierarchy* hierarchy = group->hierarchy_;
  delete group;
  if (hierarchy->groups_of_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete hierarchy;
  if (parent != nullptr) parent->release();
}

GroupsImpl::~GroupsImpl() {
  {
    MutexLock guard(lock);
    while (spare != nullptr) delete std::exchange(spare, spare->next);
    // Nothing is to be rearranged any more.
    for (Slot& slot : slots) slot.mounts = 1;
    // Tasks that were not released keep no group.
    while (proxies != nullptr) {
      for (Task* list : {proxies->first, proxies->zombies}) {
        while (list != nullptr) {
          Task* task = std::exchange(list, list->membership().next);
          task->membership().proxy.store(nullptr, std::memory_order_release);
          task->release();
        }
      }
      proxies->refs = 1;
      unref(proxies);
    }
    for (Slot& slot : slots) {
      if (slot.root == nullptr) continue;
      std::vector<Group*> all;
      for (Group* group = slot.root; group != nullptr; group = next(*slot.root, *group)) {
        all.push_back(group);
      }
      for (std::size_t i = all.size(); i-- > 0;) {
        all[i]->inner_->children.clear();
        // As if it had been removed; see destroy().
        count_dying(*all[i], 1);
        all[i]->release();
      }
    }
  }
  // Each round may drop references that make work for the next.
  while (retired_count.load(std::memory_order_relaxed) != 0) collect();
}

Group::~Group() {
  for (const auto& state : inner_->states) delete state.load(std::memory_order_relaxed);
}

void Group::acquire() { inner_->refs.fetch_add(1, std::memory_order_relaxed); }

void Group::release() {
  if (inner_->refs.fetch_sub(1, std::memory_order_acq_rel) == 1) inner_->groups->retire(this);
}

GroupRef::GroupRef(Group* group) : group_(group) {
  if (group_ != nullptr) group_->acquire();
}

GroupRef::~GroupRef() {
  if (group_ != nullptr) group_->release();
}

}  // namespace warren
