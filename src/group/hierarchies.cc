// Hierarchies: which subsystems are bound where, and when a hierarchy ends.
#include <cerrno>

#include "group/core.h"

namespace warren {

std::vector<const Subsystem*> Hierarchy::subsystems() const {
  std::vector<const Subsystem*> all;
  for (std::uint32_t mask = mask_.load(std::memory_order_acquire); mask != 0;) {
    all.push_back(&groups_->subsystem(take_bit(mask)));
  }
  return all;
}

int GroupsImpl::slot_of_subsystem(int index) const {
  for (const Slot& slot : slots) {
    if (slot.root == nullptr) continue;
    if (slot.hierarchy->mask_.load(std::memory_order_relaxed) & bit(index)) {
      return slot.hierarchy->slot_;
    }
  }
  return kDefault;
}

// A hierarchy without subsystems; its slot. Every task is in its root.
Result<int> GroupsImpl::new_hierarchy(const MountOptions& options) {
  std::size_t at = 0;
  while (at < slots.size() && slots[at].root != nullptr) ++at;
  if (at == slots.size()) return Errno{ENOSPC};
  auto* hierarchy = new Hierarchy;
  hierarchy->id_ = next_hierarchy++;
  hierarchy->slot_ = static_cast<int>(at);
  hierarchy->name_ = options.name;
  hierarchy->groups_ = this;
  Slot& slot = slots[at];
  slot = Slot{};
  slot.hierarchy = hierarchy;
  slot.root = new_group(*hierarchy, nullptr, "/");
  slot.root->inner_->clone_children.store(options.clone_children, std::memory_order_relaxed);
  slot.release_agent = options.release_agent;
  for (Proxy* proxy = proxies; proxy != nullptr; proxy = proxy->all.next) {
    slot.root->acquire();
    join_group(*proxy, hierarchy->slot_, *slot.root);
    proxy->members[at].store(slot.root, std::memory_order_release);
    if (proxy->live > 0) ++slot.root->inner_->populated_proxies;
  }
  return hierarchy->slot_;
}

void GroupsImpl::check_end(int slot) {
  if (slot == kDefault) return;
  const Slot& which = slots[static_cast<std::size_t>(slot)];
  if (which.root == nullptr || which.mounts > 0 || which.linked > 0) return;
  // What forks in flight have charged would be charged to another state afterwards.
  if (pending != nullptr) {
    end_wanted = true;
    return;
  }
  end_hierarchy(slot);
}

void GroupsImpl::end_hierarchies() {
  if (!end_wanted || pending != nullptr) return;
  end_wanted = false;
  for (int slot = 1; slot < Groups::kMaxHierarchies; ++slot) check_end(slot);
}

// Its subsystems go back to the default hierarchy.
void GroupsImpl::end_hierarchy(int which) {
  const auto at = static_cast<std::size_t>(which);
  Group* root = slots[at].root;
  for (std::uint32_t mask = slots[at].hierarchy->mask_.load(std::memory_order_relaxed);
       mask != 0;) {
    const int index = take_bit(mask);
    bind(index, which, kDefault);
    // Where a group cannot have a state, the subsystem has only the root's.
    (void)spread(index);
  }
  for (Proxy* proxy = proxies; proxy != nullptr; proxy = proxy->all.next) {
    leave_group(*proxy, which);
    proxy->members[at].store(nullptr, std::memory_order_release);
    if (proxy->live > 0) --root->inner_->populated_proxies;
  }
  slots[at] = Slot{};
  root->inner_->alive.store(false, std::memory_order_release);
  file_changed(*root, {});
  root->release();
}

namespace {

// 0, or why these subsystems cannot be bound together.
int check_options(const MountOptions& options) {
  if (options.none && (options.all || !options.subsystems.empty())) return EINVAL;
  if (options.all && !options.subsystems.empty()) return EINVAL;
  if (options.none && options.name.empty()) return EINVAL;
  return 0;
}

}  // namespace

// cgroup_mount of cgroups(7): the same set is the same hierarchy; a name alone finds one that
// exists.
Result<GroupRef> Groups::mount(const MountOptions& options) {
  if (const int bad = check_options(options)) return Errno{bad};
  GroupsImpl::Writer writer(*impl_);
  GroupsImpl::Slot& base = impl_->slots[GroupsImpl::kDefault];
  std::uint32_t wanted = 0;
  for (const std::string& name : options.subsystems) {
    const Subsystem* subsystem = find_subsystem(name);
    if (subsystem == nullptr) return Errno{ENOENT};
    wanted |= bit(impl_->index_of(*subsystem));
  }
  // The kernel's cgroups know no hierarchies but one.
  const std::uint32_t fixed = impl_->taken_over.load(std::memory_order_relaxed);
  if ((wanted & fixed) != 0) return Errno{EBUSY};
  if (options.all) wanted = base.hierarchy->mask_.load(std::memory_order_relaxed) & ~fixed;
  const bool chosen = wanted != 0 || options.none || options.all;
  if (!chosen && options.name.empty()) {
    ++base.mounts;
    return GroupRef(base.root);
  }
  for (std::size_t at = 1; at < impl_->slots.size(); ++at) {
    GroupsImpl::Slot& slot = impl_->slots[at];
    if (slot.root == nullptr) continue;
    const bool named = !options.name.empty();
    if (named && slot.hierarchy->name() != options.name) continue;
    if (chosen && slot.hierarchy->mask_.load(std::memory_order_relaxed) != wanted) {
      if (named) return Errno{EBUSY};
      continue;
    }
    ++slot.mounts;
    return GroupRef(slot.root);
  }
  if (!chosen) return Errno{EINVAL};
  if ((wanted & ~base.hierarchy->mask_.load(std::memory_order_relaxed)) != 0) return Errno{EBUSY};
  if (wanted != 0 && !base.root->inner_->children.empty()) return Errno{EBUSY};
  Result<int> made = impl_->new_hierarchy(options);
  if (!made) return made.error();
  while (wanted != 0) impl_->bind(take_bit(wanted), GroupsImpl::kDefault, *made);
  GroupsImpl::Slot& slot = impl_->slots[static_cast<std::size_t>(*made)];
  ++slot.mounts;
  return GroupRef(slot.root);
}

void Groups::unmount(Hierarchy& hierarchy) {
  GroupsImpl::Writer writer(*impl_);
  GroupsImpl::Slot& slot = impl_->slots[static_cast<std::size_t>(hierarchy.slot_)];
  if (slot.hierarchy != &hierarchy || slot.mounts == 0) return;
  --slot.mounts;
  impl_->check_end(hierarchy.slot_);
}

std::vector<GroupRef> Groups::hierarchies() const {
  MutexLock guard(impl_->lock);
  std::map<int, Group*> by_id;
  for (const GroupsImpl::Slot& slot : impl_->slots) {
    if (slot.root != nullptr) by_id.emplace(slot.hierarchy->id(), slot.root);
  }
  std::vector<GroupRef> all;
  for (const auto& [id, root] : by_id) all.emplace_back(root);
  return all;
}

GroupRef Groups::default_root() const {
  MutexLock guard(impl_->lock);
  return GroupRef(impl_->slots[GroupsImpl::kDefault].root);
}

GroupRef Groups::root_of(const Subsystem& subsystem) const {
  MutexLock guard(impl_->lock);
  const int index = impl_->index_of(subsystem);
  if (index < 0) return {};
  return GroupRef(impl_->slots[static_cast<std::size_t>(impl_->slot_of_subsystem(index))].root);
}

std::string Groups::proc_cgroup(const Task& task) const {
  std::string text;
  const std::vector<GroupRef> roots = hierarchies();
  const bool ended = !task.alive();
  for (std::size_t i = roots.size(); i-- > 0;) {
    const Hierarchy& hierarchy = roots[i]->hierarchy();
    text += std::to_string(hierarchy.id()) + ":";
    // As for Linux's own, nothing stands here for the default hierarchy.
    std::string members;
    if (hierarchy.id() != 0) {
      for (const Subsystem* subsystem : hierarchy.subsystems()) {
        if (!members.empty()) members += ',';
        members += subsystem->name;
      }
    }
    if (!hierarchy.name().empty())
      members += (members.empty() ? "name=" : ",name=") + hierarchy.name();
    const GroupRef group = group_of(task, hierarchy);
    // Linux shows where an ended task was in its default hierarchy only.
    const bool shown = group && (hierarchy.id() == 0 || !ended);
    text += members + ":" + (shown ? group->path() : "/");
    if (shown && !group->alive()) text += " (deleted)";
    text += '\n';
  }
  return text;
}

std::string Groups::proc_cgroups() const {
  std::string text = "#subsys_name\thierarchy\tnum_cgroups\tenabled\n";
  MutexLock guard(impl_->lock);
  for (int i = 0; i < impl_->nr_subsystems(); ++i) {
    const GroupsImpl::Slot& slot =
        impl_->slots[static_cast<std::size_t>(impl_->slot_of_subsystem(i))];
    text += std::string(impl_->subsystem(i).name) + '\t' + std::to_string(slot.hierarchy->id()) +
            '\t' + std::to_string(slot.root->inner_->nr_descendants + 1) + "\t1\n";
  }
  return text;
}

}  // namespace warren
