// Task proxies: found by the hash of their groups, so that tasks with the same memberships share
// one; and the lists of the tasks that do.
#include <cerrno>

#include "group/core.h"

namespace warren {

// What a group adds to the hash of its proxies. A root adds nothing, so that a hierarchy that comes
// or goes, with all tasks in its root, changes no hash.
std::uint64_t GroupsImpl::share(const Group* group) {
  if (group == nullptr || group->parent_ == nullptr) return 0;
  std::uint64_t x = group->id_ * 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 32)) * 0xD6E8FEB86659FD93u;
  return x ^ (x >> 32);
}

// The proxy with the groups of `like` (null: the roots) except for `group` in its own hierarchy.
Proxy* GroupsImpl::find_proxy(std::uint64_t hash, const Proxy* like, Group* group) {
  const int changed_slot = group == nullptr ? -1 : group->hierarchy_->slot_;
  for (Proxy* proxy = buckets[hash & (buckets.size() - 1)]; proxy != nullptr;
       proxy = proxy->bucket_next) {
    if (proxy->hash != hash) continue;
    bool same = true;
    for (int slot = 0; same && slot < Groups::kMaxHierarchies; ++slot) {
      const auto at = static_cast<std::size_t>(slot);
      const Group* wanted = slot == changed_slot ? group
                            : like != nullptr    ? like->members[at].load(std::memory_order_relaxed)
                                                 : slots[at].root;
      same = proxy->members[at].load(std::memory_order_relaxed) == wanted;
    }
    if (same) return proxy;
  }
  return nullptr;
}

Proxy* GroupsImpl::add_proxy(std::uint64_t hash, const Proxy* like, Group* group) {
  auto* proxy = new Proxy(*this);
  proxy->hash = hash;
  for (int slot = 0; slot < Groups::kMaxHierarchies; ++slot) {
    const auto at = static_cast<std::size_t>(slot);
    Group* member =
        like != nullptr ? like->members[at].load(std::memory_order_relaxed) : slots[at].root;
    if (group != nullptr && slot == group->hierarchy_->slot_) member = group;
    if (member == nullptr) continue;
    member->acquire();
    proxy->members[at].store(member, std::memory_order_relaxed);
    join_group(*proxy, slot, *member);
  }
  for (int i = 0; i < nr_subsystems(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    SubsystemState* state =
        group == nullptr ? nullptr : group->inner_->states[at].load(std::memory_order_relaxed);
    if (state == nullptr) {
      // Not one of the group's hierarchy, or of a subsystem that came after the group.
      state = like != nullptr ? like->states[at].load(std::memory_order_relaxed) : root_state(i);
      if (group != nullptr && (group->hierarchy_->mask_.load(std::memory_order_relaxed) & bit(i))) {
        state = root_state(i);
      }
    }
    proxy->states[at].store(state, std::memory_order_relaxed);
  }
  if (static_cast<std::size_t>(nr_proxies) >= buckets.size()) grow_table();
  Proxy*& bucket = buckets[hash & (buckets.size() - 1)];
  proxy->bucket_next = bucket;
  bucket = proxy;
  proxy->all.next = proxies;
  if (proxies != nullptr) proxies->all.prev = proxy;
  proxies = proxy;
  ++nr_proxies;
  return proxy;
}

SubsystemState* GroupsImpl::root_state(int index) {
  const auto at = static_cast<std::size_t>(index);
  for (const Slot& slot : slots) {
    if (slot.root == nullptr) continue;
    SubsystemState* state = slot.root->inner_->states[at].load(std::memory_order_relaxed);
    if (state != nullptr) return state;
  }
  return nullptr;
}

void GroupsImpl::grow_table() {
  std::vector<Proxy*> larger(buckets.size() * 2, nullptr);
  for (Proxy* proxy = proxies; proxy != nullptr; proxy = proxy->all.next) {
    Proxy*& bucket = larger[proxy->hash & (larger.size() - 1)];
    proxy->bucket_next = bucket;
    bucket = proxy;
  }
  buckets.swap(larger);
}

Proxy* GroupsImpl::intern_root(Group* group) {
  const std::uint64_t hash = share(group);
  Proxy* proxy = find_proxy(hash, nullptr, group);
  if (proxy == nullptr) proxy = add_proxy(hash, nullptr, group);
  ++proxy->refs;
  return proxy;
}

Proxy* GroupsImpl::intern(const Proxy& from, Group& group) {
  const auto at = static_cast<std::size_t>(group.hierarchy_->slot_);
  const std::uint64_t hash =
      from.hash - share(from.members[at].load(std::memory_order_relaxed)) + share(&group);
  Proxy* proxy = find_proxy(hash, &from, &group);
  if (proxy == nullptr) proxy = add_proxy(hash, &from, &group);
  ++proxy->refs;
  return proxy;
}

void GroupsImpl::join_group(Proxy& proxy, int slot, Group& group) {
  const auto at = static_cast<std::size_t>(slot);
  Proxy*& head = group.inner_->proxies;
  proxy.of_group[at] = {nullptr, head};
  if (head != nullptr) head->of_group[at].prev = &proxy;
  head = &proxy;
}

// Takes the proxy from its group's list and gives up its reference. Whether it was the last of a
// group that was removed.
bool GroupsImpl::leave_group(Proxy& proxy, int slot) {
  const auto at = static_cast<std::size_t>(slot);
  Group* group = proxy.members[at].load(std::memory_order_relaxed);
  if (group == nullptr) return false;
  const Proxy::Neighbours links = proxy.of_group[at];
  (links.prev != nullptr ? links.prev->of_group[at].next : group->inner_->proxies) = links.next;
  if (links.next != nullptr) links.next->of_group[at].prev = links.prev;
  group->inner_->forks += proxy.forks;
  const bool last_of_removed =
      group->inner_->proxies == nullptr && !group->alive() && group->parent_ != nullptr;
  if (last_of_removed) --slots[at].linked;
  group->release();
  return last_of_removed;
}

void GroupsImpl::unref(Proxy* proxy) {
  if (--proxy->refs != 0) return;
  Proxy** link = &buckets[proxy->hash & (buckets.size() - 1)];
  while (*link != proxy) link = &(*link)->bucket_next;
  *link = proxy->bucket_next;
  (proxy->all.prev != nullptr ? proxy->all.prev->all.next : proxies) = proxy->all.next;
  if (proxy->all.next != nullptr) proxy->all.next->all.prev = proxy->all.prev;
  --nr_proxies;
  std::uint32_t ending = 0;
  for (int slot = 0; slot < Groups::kMaxHierarchies; ++slot) {
    if (leave_group(*proxy, slot)) ending |= bit(slot);
  }
  retire(proxy);
  while (ending != 0) check_end(take_bit(ending));
}

namespace {

// A list whose first element's `prev` is the last one; the last one's `next` is null.
void append(Task*& first, Task& task) {
  Membership& m = task.membership();
  m.next = nullptr;
  if (first == nullptr) {
    first = &task;
    m.prev = &task;
    return;
  }
  Membership& head = first->membership();
  m.prev = head.prev;
  head.prev->membership().next = &task;
  head.prev = &task;
}

void take_out(Task*& first, Task& task) {
  Membership& m = task.membership();
  if (first == &task) {
    first = m.next;
    if (first != nullptr) first->membership().prev = m.prev;
  } else {
    m.prev->membership().next = m.next;
    (m.next != nullptr ? m.next : first)->membership().prev = m.prev;
  }
  m.next = m.prev = nullptr;
}

}  // namespace

void GroupsImpl::link(Proxy& proxy, Task& task) {
  append(proxy.first, task);
  if (++proxy.live == 1) populate(proxy);
}

void GroupsImpl::unlink(Proxy& proxy, Task& task) {
  take_out(proxy.first, task);
  if (--proxy.live == 0) depopulate(proxy);
}

void GroupsImpl::link_zombie(Proxy& proxy, Task& task) { append(proxy.zombies, task); }

void GroupsImpl::unlink_zombie(Proxy& proxy, Task& task) { take_out(proxy.zombies, task); }

bool GroupsImpl::populated(const Group& group) {
  return group.inner_->populated_proxies > 0 || group.inner_->populated_children > 0;
}

// The proxy has got its first task: its groups, and those above, may not be empty any more.
void GroupsImpl::populate(Proxy& proxy) {
  for (const auto& member : proxy.members) {
    Group* group = member.load(std::memory_order_relaxed);
    if (group == nullptr) continue;
    bool was = populated(*group);
    ++group->inner_->populated_proxies;
    while (!was) {
      file_changed(*group, "cgroup.events");
      group = group->parent_;
      if (group == nullptr) break;
      was = populated(*group);
      ++group->inner_->populated_children;
    }
  }
}

void GroupsImpl::depopulate(Proxy& proxy) {
  for (const auto& member : proxy.members) {
    Group* own = member.load(std::memory_order_relaxed);
    if (own == nullptr) continue;
    --own->inner_->populated_proxies;
    for (Group* group = own; group != nullptr && !populated(*group);) {
      file_changed(*group, "cgroup.events");
      group = group->parent_;
      if (group != nullptr) --group->inner_->populated_children;
    }
    check_release(*own);
    check_self_made(*own);
  }
}

// cgroups(7), "Cgroups v1 release notification": the last task has left a group without children,
// or its last child is gone.
void GroupsImpl::check_release(Group& group) {
  if (!group.inner_->notify_on_release || group.parent_ == nullptr || !group.alive()) return;
  if (populated(group) || !group.inner_->children.empty()) return;
  const Slot& slot = slot_of(group);
  if (!slot.release_agent.empty()) host.run_agent(slot.release_agent, path(group));
}

void GroupsImpl::check_self_made(Group& group) {
  if (group.inner_->self_made && !populated(group)) left_empty.emplace_back(&group);
}

}  // namespace warren
