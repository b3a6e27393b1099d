// The trees of groups: making, removing, renaming, finding.
#include <algorithm>
#include <cerrno>

#include "group/core.h"

namespace warren {

std::string Group::name() const {
  std::lock_guard guard(inner_->groups->names);
  return inner_->name;
}

std::string Group::path() const { return inner_->groups->path(*this); }

bool Group::alive() const { return inner_->alive.load(std::memory_order_acquire); }

bool Group::clone_children() const {
  return inner_->clone_children.load(std::memory_order_relaxed);
}

SubsystemState* Group::state(const Subsystem& subsystem) const {
  const int index = inner_->groups->index_of(subsystem);
  return index < 0
             ? nullptr
             : inner_->states[static_cast<std::size_t>(index)].load(std::memory_order_acquire);
}

std::string GroupsImpl::path(const Group& group) const {
  if (group.parent_ == nullptr) return "/";
  std::vector<const Group*> all;
  for (const Group* g = &group; g->parent_ != nullptr; g = g->parent_) all.push_back(g);
  std::string text;
  std::lock_guard guard(names);
  for (std::size_t i = all.size(); i-- > 0;) {
    text += '/';
    text += all[i]->inner_->name;
  }
  return text;
}

bool GroupsImpl::within(const Group& group, const Group& top) const {
  const Group* above = &group;
  while (above != nullptr && above->depth_ > top.depth_) above = above->parent_;
  return above == &top;
}

Group* GroupsImpl::next(const Group& top, Group& group) {
  if (!group.inner_->children.empty()) return group.inner_->children.begin()->second;
  for (const Group* at = &group; at != &top; at = at->parent_) {
    // Under the lock nobody changes the name, so it can be read without `names`.
    const auto& siblings = at->parent_->inner_->children;
    const auto after = siblings.upper_bound(at->inner_->name);
    if (after != siblings.end()) return after->second;
  }
  return nullptr;
}

Group* GroupsImpl::new_group(Hierarchy& hierarchy, Group* parent, std::string_view name) {
  auto* group = new Group;
  group->inner_ = std::make_unique<Group::Inner>();
  group->inner_->groups = this;
  group->inner_->name = name;
  group->hierarchy_ = &hierarchy;
  hierarchy.groups_of_.fetch_add(1, std::memory_order_relaxed);
  group->parent_ = parent;
  group->id_ = next_group++;
  if (parent != nullptr) {
    parent->acquire();
    group->depth_ = parent->depth_ + 1;
    group->inner_->notify_on_release = parent->inner_->notify_on_release;
    group->inner_->clone_children.store(parent->clone_children(), std::memory_order_relaxed);
  }
  return group;
}

namespace {

int check_name(std::string_view name) {
  if (name.empty() || name == "." || name == "..") return EINVAL;
  if (name.find_first_of("/\n") != std::string_view::npos) return EINVAL;
  return name.size() > 255 ? ENAMETOOLONG : 0;
}

}  // namespace

Result<Group*> GroupsImpl::make(Group& parent, std::string_view name,
                                const GroupAttributes& attributes) {
  if (const int bad = check_name(name)) return Errno{bad};
  if (!parent.alive()) return Errno{ENOENT};
  if (parent.inner_->children.count(name) != 0 || has_file(parent, name)) return Errno{EEXIST};
  // cgroups(7): with cgroup.max.depth or cgroup.max.descendants reached, here or above, EAGAIN.
  int level = 1;
  for (const Group* above = &parent; above != nullptr; above = above->parent_, ++level) {
    if (above->inner_->nr_descendants >= above->inner_->max_descendants) return Errno{EAGAIN};
    if (level > above->inner_->max_depth) return Errno{EAGAIN};
  }
  Group* group = new_group(*parent.hierarchy_, &parent, name);
  group->inner_->attributes = group->inner_->of_files = attributes;
  const std::uint32_t mask = parent.hierarchy_->mask_.load(std::memory_order_relaxed);
  std::uint32_t made = 0;
  const auto give_up = [&](Errno error) WARREN_REQUIRES(lock) {
    while (made != 0) destroy_state(*group, take_last_bit(made));
    group->inner_->alive.store(false, std::memory_order_release);
    count_dying(*group, 1);
    group->release();
    return error;
  };
  for (std::uint32_t left = mask; left != 0;) {
    const int index = take_bit(left);
    if (Result<void> state = make_state(*group, index); !state) return give_up(state.error());
    made |= bit(index);
  }
  if (mirrored(parent)) {
    if (Result<void> beside = mirror->make(*group); !beside) return give_up(beside.error());
  }
  parent.inner_->children.emplace(std::string(name), group);
  for (Group* above = &parent; above != nullptr; above = above->parent_) {
    ++above->inner_->nr_descendants;
  }
  ++slot_of(*group).linked;
  return group;
}

void GroupsImpl::count_dying(const Group& group, int delta) {
  for (const Group* above = group.parent_; above != nullptr; above = above->parent_) {
    above->inner_->nr_dying.fetch_add(delta, std::memory_order_relaxed);
  }
}

// Takes a group without children and tasks from the tree. States that a task which has ended was
// charged to stay until it is released.
void GroupsImpl::remove(Group& group) {
  Group& parent = *group.parent_;
  for (std::uint32_t left = group.hierarchy_->mask_.load(std::memory_order_relaxed); left != 0;) {
    const int index = take_last_bit(left);
    SubsystemState* state =
        group.inner_->states[static_cast<std::size_t>(index)].load(std::memory_order_relaxed);
    if (state != nullptr && subsystem(index).destroy != nullptr) subsystem(index).destroy(*state);
  }
  if (mirrored(group)) mirror->remove(group);
  parent.inner_->children.erase(group.inner_->name);
  group.inner_->alive.store(false, std::memory_order_release);
  for (Group* above = &parent; above != nullptr; above = above->parent_) {
    --above->inner_->nr_descendants;
  }
  count_dying(group, 1);
  parent.inner_->forks += forks(group);
  group.inner_->forks = 0;
  const int slot = group.hierarchy_->slot_;
  if (group.inner_->proxies == nullptr) --slot_of(group).linked;
  // Whoever waits for a change of its files learns that it is gone.
  file_changed(group, {});
  check_release(parent);
  check_self_made(parent);
  group.release();
  check_end(slot);
}

// Forks in the group and below, since it was made.
std::uint64_t GroupsImpl::forks(Group& top) {
  const auto slot = static_cast<std::size_t>(top.hierarchy_->slot_);
  std::uint64_t sum = 0;
  for (Group* group = &top; group != nullptr; group = next(top, *group)) {
    sum += group->inner_->forks;
    for (const Proxy* proxy = group->inner_->proxies; proxy != nullptr;
         proxy = proxy->of_group[slot].next) {
      sum += proxy->forks;
    }
  }
  return sum;
}

Result<GroupRef> Groups::make(Group& parent, std::string_view name,
                              const GroupAttributes& attributes) {
  GroupsImpl::Writer writer(*impl_);
  Result<Group*> made = impl_->make(parent, name, attributes);
  if (!made) return made.error();
  return GroupRef(*made);
}

// Neither tasks nor children, nor a fork on its way.
bool GroupsImpl::unused(const Group& group) {
  if (!group.inner_->children.empty() || populated(group)) return false;
  const auto slot = static_cast<std::size_t>(group.hierarchy_->slot_);
  for (const Proxy* proxy = group.inner_->proxies; proxy != nullptr;
       proxy = proxy->of_group[slot].next) {
    if (proxy->pending > 0) return false;
  }
  return true;
}

void GroupsImpl::remove_left_empty() {
  // The end of one may leave its parent empty.
  while (!left_empty.empty()) {
    const GroupRef group = std::move(left_empty.back());
    left_empty.pop_back();
    if (group->alive() && unused(*group)) remove(*group);
  }
}

Result<void> Groups::remove(Group& group) {
  GroupsImpl::Writer writer(*impl_);
  if (!group.alive()) return Errno{ENOENT};
  if (group.parent_ == nullptr || !GroupsImpl::unused(group)) return Errno{EBUSY};
  impl_->remove(group);
  return {};
}

Result<void> Groups::rename(Group& group, std::string_view name) {
  GroupsImpl::Writer writer(*impl_);
  if (const int bad = check_name(name)) return Errno{bad};
  if (group.parent_ == nullptr) return Errno{EBUSY};
  if (!group.alive()) return Errno{ENOENT};
  auto& siblings = group.parent_->inner_->children;
  if (siblings.count(name) != 0 || impl_->has_file(*group.parent_, name)) return Errno{EEXIST};
  siblings.erase(group.inner_->name);
  siblings.emplace(std::string(name), &group);
  std::lock_guard guard(impl_->names);
  group.inner_->name = name;
  return {};
}

GroupRef Groups::find(Group& root, std::string_view path) const {
  MutexLock guard(impl_->lock);
  Group* group = &root;
  while (group != nullptr && !path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    const std::string_view name = path.substr(0, slash);
    path.remove_prefix(std::min(slash + 1, path.size()));
    if (name.empty()) continue;
    const auto found = group->inner_->children.find(name);
    group = found == group->inner_->children.end() ? nullptr : found->second;
  }
  return GroupRef(group);
}

std::vector<GroupRef> Groups::children(Group& group) const {
  MutexLock guard(impl_->lock);
  std::vector<GroupRef> all;
  for (const auto& [name, child] : group.inner_->children) all.emplace_back(child);
  return all;
}

std::vector<GroupRef> Groups::subtree(Group& top) const {
  MutexLock guard(impl_->lock);
  std::vector<GroupRef> all;
  for (Group* group = &top; group != nullptr; group = GroupsImpl::next(top, *group)) {
    all.emplace_back(group);
  }
  return all;
}

std::vector<Ref<Task>> Groups::tasks(const Group& group) const {
  MutexLock guard(impl_->lock);
  std::vector<Ref<Task>> all;
  impl_->each_task(group, [&](Task& task) { all.emplace_back(&task); });
  return all;
}

std::vector<Ref<ThreadGroup>> Groups::processes(const Group& group) const {
  std::vector<Ref<ThreadGroup>> all;
  {
    MutexLock guard(impl_->lock);
    impl_->each_task(group, [&](Task& task) { all.emplace_back(&task.group()); });
  }
  std::sort(all.begin(), all.end(),
            [](const Ref<ThreadGroup>& a, const Ref<ThreadGroup>& b) { return a.get() < b.get(); });
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

void GroupsImpl::each_task(const Group& group, const std::function<void(Task&)>& f) const {
  const auto slot = static_cast<std::size_t>(group.hierarchy_->slot_);
  for (const Proxy* proxy = group.inner_->proxies; proxy != nullptr;
       proxy = proxy->of_group[slot].next) {
    for (Task* task = proxy->first; task != nullptr; task = task->membership().next) f(*task);
  }
}

GroupRef Groups::group_of(const Task& task, const Hierarchy& hierarchy) const {
  MutexLock guard(impl_->lock);
  const Proxy* proxy = GroupsImpl::proxy_of(task);
  return GroupRef(proxy == nullptr ? nullptr : proxy->group(hierarchy));
}

Group* GroupsImpl::group_of(const Task& task, int slot) const {
  const Proxy* proxy = proxy_of(task);
  return proxy == nullptr
             ? nullptr
             : proxy->members[static_cast<std::size_t>(slot)].load(std::memory_order_relaxed);
}

}  // namespace warren
