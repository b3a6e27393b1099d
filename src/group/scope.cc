// What guests may change: the groups below that of their namespace's init.
#include <cerrno>
#include <climits>

#include "group/core.h"

namespace warren {

namespace {

// Whether it is the leader of its namespace's init.
bool leads_namespace(const Task& task) {
  return task.is_leader() && task.ns()->init().get() == &task.group();
}

}  // namespace

const Group* GroupsImpl::home_of(const PidNamespace& ns, int slot) const {
  const Ref<ThreadGroup> init = ns.init();
  const Ref<Task> leader = init ? init->leader() : nullptr;
  const Group* const now = leader ? group_of(*leader, slot) : nullptr;
  if (now == nullptr) return nullptr;
  const auto noted = homes.find({ns.inode(), now->hierarchy_->id()});
  if (noted == homes.end()) return now;
  const Group* at = now;
  while (at != nullptr && at->id_ != noted->second) at = at->parent_;
  return at != nullptr ? at : now;
}

void GroupsImpl::note_homes(const Group& to, const std::vector<Ref<Task>>& tasks,
                            const PidNamespace* by) {
  for (const Ref<Task>& task : tasks) {
    if (!leads_namespace(*task)) continue;
    const Ref<PidNamespace> ns = task->ns();
    const std::pair place(ns->inode(), to.hierarchy_->id());
    if (ns.get() != by) {
      homes.erase(place);
    } else if (const Group* home = home_of(*ns, to.hierarchy_->slot_)) {
      homes.insert_or_assign(place, home->id_);
    }
  }
}

void GroupsImpl::forget_homes(const Task& task) {
  if (!leads_namespace(task)) return;
  const std::uint64_t inode = task.ns()->inode();
  homes.erase(homes.lower_bound({inode, INT_MIN}), homes.upper_bound({inode, INT_MAX}));
}

Result<void> GroupsImpl::may_change(Group& group, const GroupCaller& caller, GroupChange change) {
  if (!caller.ns) return {};
  const Group* const home = home_of(*caller.ns, group.hierarchy_->slot_);
  if (home == nullptr || !within(group, *home)) return Errno{EPERM};
  if (change == GroupChange::kInside) return {};
  if (&group == home) return Errno{EPERM};
  // What is done to the group is done to all that is in it.
  bool all_seen = true;
  for (Group* at = &group; at != nullptr && all_seen; at = next(group, *at)) {
    each_task(*at, [&](const Task& task) { all_seen &= task.nr_in(*caller.ns) != 0; });
  }
  return all_seen ? Result<void>() : Errno{EPERM};
}

Result<void> Groups::may_change(Group& group, const GroupCaller& caller, GroupChange change) const {
  if (!caller.ns) return {};
  const GroupsImpl::Writer writer(*impl_);
  return impl_->may_change(group, caller, change);
}

GroupChange Groups::change_by(std::string_view file) {
  const bool moves_tasks = file == "cgroup.procs" || file == "tasks" || file == "cgroup.threads";
  return moves_tasks ? GroupChange::kInside : GroupChange::kItself;
}

}  // namespace warren
