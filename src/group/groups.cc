#include "warren/groups.h"

#include <cerrno>

#include "group/core.h"

namespace warren {

Groups::Groups() = default;

Groups::~Groups() = default;

Result<std::unique_ptr<Groups>> Groups::create(Kernel& kernel, GroupHost& host,
                                               std::span<const Subsystem* const> subsystems) {
  std::vector<const Subsystem*> checked;
  for (const Subsystem* subsystem : subsystems) {
    if (const int bad = GroupsImpl::check(*subsystem, checked)) return Errno{bad};
    checked.push_back(subsystem);
  }
  std::unique_ptr<Groups> groups(new Groups);
  groups->impl_ = std::make_unique<GroupsImpl>(*groups, kernel, host);
  GroupsImpl& impl = *groups->impl_;
  GroupsImpl::Writer writer(impl);
  impl.buckets.resize(64, nullptr);
  if (Result<int> made = impl.new_hierarchy({}); !made) return made.error();
  for (const Subsystem* subsystem : checked) {
    if (Result<void> added = impl.add(*subsystem, {}); !added) return added.error();
  }
  return groups;
}

GroupHost& Groups::host() const { return impl_->host; }

Kernel& Groups::kernel() const { return impl_->kernel; }

int Groups::nr_proxies() const {
  MutexLock guard(impl_->lock);
  return impl_->nr_proxies;
}

// --- Reading ---

SubsystemState* TaskProxy::state(const Subsystem& subsystem) const {
  const auto* proxy = static_cast<const Proxy*>(this);
  const int index = proxy->groups.index_of(subsystem);
  return index < 0 ? nullptr
                   : proxy->states[static_cast<std::size_t>(index)].load(std::memory_order_acquire);
}

Group* TaskProxy::group(const Hierarchy& hierarchy) const {
  const auto* proxy = static_cast<const Proxy*>(this);
  Group* found = proxy->members[static_cast<std::size_t>(GroupsImpl::place_of(hierarchy))].load(
      std::memory_order_acquire);
  // The place of a hierarchy that has ended may be another's.
  return found != nullptr && &found->hierarchy() == &hierarchy ? found : nullptr;
}

const TaskProxy* Groups::proxy(const Task& task, const ReadSection&) const {
  return GroupsImpl::proxy_of(task);
}

SubsystemState* Groups::state(const Task& task, const Subsystem& subsystem,
                              const ReadSection& section) const {
  const TaskProxy* found = proxy(task, section);
  return found == nullptr ? nullptr : found->state(subsystem);
}

// --- For subsystems ---

void Groups::locked(const std::function<void()>& f) {
  GroupsImpl::Writer writer(*impl_);
  f();
}

// The caller is inside locked() or a callback.
void Groups::for_each_group(Group& top, const std::function<void(Group&)>& f) {
  for (Group* group = &top; group != nullptr; group = GroupsImpl::next(top, *group)) f(*group);
}

void Groups::for_each_task(Group& group,
                           const std::function<void(Task&)>& f) WARREN_NO_THREAD_SAFETY_ANALYSIS {
  impl_->each_task(group, f);
}

void Groups::task_frozen(Task& task) {
  GroupsImpl::Writer writer(*impl_);
  const Proxy* proxy = GroupsImpl::proxy_of(task);
  if (proxy == nullptr) return;
  for (int i = 0; i < impl_->nr_subsystems(); ++i) {
    if (impl_->subsystem(i).frozen == nullptr) continue;
    impl_->subsystem(i).frozen(
        *proxy->states[static_cast<std::size_t>(i)].load(std::memory_order_relaxed), task);
  }
}

}  // namespace warren
