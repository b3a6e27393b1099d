// The states of groups in subsystems: made and destroyed with a group, and when a subsystem comes
// to a hierarchy or leaves it.
#include <cerrno>

#include "group/core.h"

namespace warren {

Result<void> GroupsImpl::make_state(Group& group, int index) {
  const auto at = static_cast<std::size_t>(index);
  SubsystemState* above = nullptr;
  if (group.parent_ != nullptr) {
    above = group.parent_->inner_->states[at].load(std::memory_order_relaxed);
    if (above == nullptr) return {};
  }
  Result<std::unique_ptr<SubsystemState>> made = subsystem(index).create(self, host, above);
  if (!made) return made.error();
  SubsystemState* state = made->release();
  state->group_.store(&group, std::memory_order_release);
  state->parent_ = above;
  state->groups_ = &self;
  group.inner_->states[at].store(state, std::memory_order_release);
  return {};
}

// For a state that no task has. A file callback may be at work on it, with the group pinned.
void GroupsImpl::destroy_state(Group& group, int index) {
  SubsystemState* state = group.inner_->states[static_cast<std::size_t>(index)].exchange(
      nullptr, std::memory_order_acq_rel);
  if (state == nullptr) return;
  if (subsystem(index).destroy != nullptr) subsystem(index).destroy(*state);
  group.inner_->discarded.emplace_back(state);
}

void GroupsImpl::set_in_proxies(int index, SubsystemState* state) {
  for (Proxy* proxy = proxies; proxy != nullptr; proxy = proxy->all.next) {
    proxy->states[static_cast<std::size_t>(index)].store(state, std::memory_order_release);
  }
}

void GroupsImpl::bind(int index, int from, int to) {
  const auto at = static_cast<std::size_t>(index);
  const auto source = static_cast<std::size_t>(from);
  const auto target = static_cast<std::size_t>(to);
  Group& old_root = *slots[source].root;
  Group& new_root = *slots[target].root;
  SubsystemState* state = old_root.inner_->states[at].load(std::memory_order_relaxed);
  state->group_.store(&new_root, std::memory_order_release);
  new_root.inner_->states[at].store(state, std::memory_order_release);
  old_root.inner_->states[at].store(nullptr, std::memory_order_release);
  slots[source].hierarchy->mask_.fetch_and(~bit(index), std::memory_order_release);
  slots[target].hierarchy->mask_.fetch_or(bit(index), std::memory_order_release);
}

void GroupsImpl::unspread(int index) {
  // Children before parents: the walk, backwards.
  std::vector<Group*> all;
  Group& root = *slots[kDefault].root;
  for (Group* group = next(root, root); group != nullptr; group = next(root, *group)) {
    all.push_back(group);
  }
  for (std::size_t i = all.size(); i-- > 0;) destroy_state(*all[i], index);
}

Result<void> GroupsImpl::spread(int index) {
  Group& root = *slots[kDefault].root;
  for (Group* group = next(root, root); group != nullptr; group = next(root, *group)) {
    if (Result<void> made = make_state(*group, index); !made) {
      unspread(index);
      return made;
    }
  }
  const auto at = static_cast<std::size_t>(index);
  Result<void> moved = move_spread(index, *root.inner_->states[at].load(std::memory_order_relaxed));
  if (!moved) unspread(index);
  return moved;
}

// Takes every task of the default hierarchy's groups, those that have ended too, from the root's
// state to that of its group.
Result<void> GroupsImpl::move_spread(int index, SubsystemState& root) {
  const Subsystem& which = subsystem(index);
  const auto at = static_cast<std::size_t>(index);
  struct Step {
    SubsystemState* to;
    Task* task;
  };
  std::vector<Step> steps;
  std::vector<Proxy*> changing;
  for (Proxy* proxy = proxies; proxy != nullptr; proxy = proxy->all.next) {
    const Group* group = proxy->members[kDefault].load(std::memory_order_relaxed);
    SubsystemState* to = group->inner_->states[at].load(std::memory_order_relaxed);
    // Tasks of a group that was removed stay with what they were charged to.
    if (to == nullptr || to == &root || !group->alive()) continue;
    changing.push_back(proxy);
    for (Task* list : {proxy->first, proxy->zombies}) {
      for (Task* task = list; task != nullptr; task = task->membership().next) {
        steps.push_back({to, task});
      }
    }
  }
  for (std::size_t i = 0; which.can_attach != nullptr && i < steps.size(); ++i) {
    Result<void> asked = which.can_attach(*steps[i].to, root, *steps[i].task);
    if (asked) continue;
    while (i-- > 0) {
      if (which.cancel_attach != nullptr) which.cancel_attach(*steps[i].to, root, *steps[i].task);
    }
    return asked;
  }
  for (Proxy* proxy : changing) {
    const Group* group = proxy->members[kDefault].load(std::memory_order_relaxed);
    proxy->states[at].store(group->inner_->states[at].load(std::memory_order_relaxed),
                            std::memory_order_release);
  }
  for (const Step& step : steps) {
    if (which.attach != nullptr) which.attach(*step.to, root, *step.task);
  }
  return {};
}

}  // namespace warren
