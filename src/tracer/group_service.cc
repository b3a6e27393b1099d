#include "tracer/group_service.h"

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <unordered_map>
#include <utility>

#include "tracer/move.h"
#include "tracer/runtime.h"
#include "tracer/signal_permission.h"

namespace warren {

namespace {

using control::GroupEntry;
using control::GroupReply;
using control::GroupSnapshot;

constexpr unsigned kRead = 4;
constexpr unsigned kWrite = 2;
constexpr unsigned kSearch = 1;

// "/a/b/c" into "/a/b" and "c".
std::pair<std::string_view, std::string_view> split_path(std::string_view path) {
  while (path.ends_with('/')) path.remove_suffix(1);
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return {"", path};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

std::string subsystem_names(const Hierarchy& hierarchy) {
  std::string names;
  for (const Subsystem* subsystem : hierarchy.subsystems()) {
    if (!names.empty()) names += ',';
    names += subsystem->name;
  }
  return names;
}

}  // namespace

Result<GroupRef> make_groups(Groups& groups, Group& root, std::string_view path,
                             const GroupAttributes& attributes) {
  GroupRef at(&root);
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const std::string_view name = path.substr(0, slash);
    path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
    if (name.empty()) continue;
    auto made = groups.make(*at, name, attributes);
    if (made) {
      at = std::move(*made);
      continue;
    }
    if (made.error_code() != EEXIST) return made.error();
    // It may have been removed since; then that is the answer.
    GroupRef there = groups.find(*at, name);
    if (!there) return Errno{ENOENT};
    at = std::move(there);
  }
  return at;
}

GroupService::GroupService(Runtime& runtime, const control::Peer& peer,
                           const NamespaceLookup& namespaces)
    : runtime_(runtime),
      groups_(runtime.groups()),
      caller_(runtime.group_caller(peer.pid, peer.uid, peer.gid)),
      guest_(peer.ns_inode != 0),
      namespaces_(namespaces) {
  // What the server has found out counts: the peer may have changed since.
  caller_.ns = guest_ ? namespaces(peer.ns_inode) : nullptr;
}

Result<GroupReply> GroupService::serve(const control::GroupRequest& request) {
  if (guest_ && !caller_.ns) return Errno{ESRCH};
  using Op = control::GroupRequest::Op;
  switch (request.op) {
    case Op::kHierarchies:
      return hierarchies();
    case Op::kList:
      return list(request);
    case Op::kRead:
      return read(request);
    case Op::kWait:
      return wait(request);
    case Op::kWrite:
      return write(request);
    case Op::kMake:
      return make(request);
    case Op::kRemove:
      return remove(request);
    case Op::kRename:
      return rename(request);
    case Op::kSetAttributes:
      return set_attributes(request);
    case Op::kSnapshot:
      return snapshot();
    case Op::kMount:
      return mount(request);
    case Op::kUnmount:
      return unmount(request);
    case Op::kReshare:
      return reshare(request);
    case Op::kMoveNamespace:
      return move_namespace(request);
  }
  return Errno{EOPNOTSUPP};
}

Result<GroupRef> GroupService::root_for(const Request& request) {
  if (request.hierarchy >= 0) {
    for (const GroupRef& root : groups_.hierarchies()) {
      if (root->hierarchy().id() == request.hierarchy) return root;
    }
    return Errno{ENOENT};
  }
  for (const Subsystem* subsystem : groups_.subsystems()) {
    for (const GroupFile& file : subsystem->files) {
      if (file.name == request.file) return groups_.root_of(*subsystem);
    }
  }
  return groups_.default_root();
}

Result<GroupRef> GroupService::group_for(const Request& request) {
  auto root = root_for(request);
  if (!root) return root;
  GroupRef group = groups_.find(**root, request.path);
  if (!group) return Errno{ENOENT};
  return group;
}

Result<Ref<Task>> GroupService::task_for(int nr) {
  const PidNamespace& ns = caller_.ns ? *caller_.ns : runtime_.kernel().root();
  Ref<Task> task = nr > 0 ? runtime_.kernel().find_task(ns, nr) : nullptr;
  if (!task || !task->alive()) return Errno{ESRCH};
  return task;
}

Result<void> GroupService::may_access(const Group& group, std::string_view file, unsigned bits) {
  if (!file.empty() && !groups_.file_mode(group, file)) return Errno{ENOENT};
  if (caller_.uid == 0) return {};
  const GroupAttributes attributes = groups_.attributes(group, file);
  const unsigned shift = attributes.uid == caller_.uid ? 6 : attributes.gid == caller_.gid ? 3 : 0;
  if (((attributes.mode >> shift) & bits) != bits) return Errno{EACCES};
  return {};
}

Result<void> GroupService::may_change_children(Group& group) {
  if (auto r = groups_.may_change(group, caller_, GroupChange::kInside); !r) return r;
  return may_access(group, {}, kWrite | kSearch);
}

Result<GroupReply> GroupService::hierarchies() {
  GroupReply reply;
  for (const GroupRef& root : groups_.hierarchies()) {
    const Hierarchy& hierarchy = root->hierarchy();
    GroupEntry entry;
    entry.name =
        std::to_string(hierarchy.id()) + ":" + subsystem_names(hierarchy) + ":" + hierarchy.name();
    entry.is_group = true;
    entry.inode = static_cast<std::uint64_t>(hierarchy.id());
    reply.entries.push_back(std::move(entry));
  }
  return reply;
}

Result<GroupReply> GroupService::list(const Request& request) {
  auto group = group_for(request);
  if (!group) return group.error();
  if (auto r = may_access(**group, {}, kRead); !r) return r.error();
  GroupReply reply;
  const auto add = [&](std::string name, const GroupAttributes& attributes, std::uint64_t inode) {
    reply.entries.push_back({.name = std::move(name),
                             .is_group = inode != 0,
                             .mode = attributes.mode,
                             .uid = attributes.uid,
                             .gid = attributes.gid,
                             .inode = inode});
  };
  for (const GroupRef& child : groups_.children(**group)) {
    add(child->name(), groups_.attributes(*child), child->id());
  }
  for (std::string& file : groups_.files(**group)) {
    const GroupAttributes attributes = groups_.attributes(**group, file);
    add(std::move(file), attributes, 0);
  }
  return reply;
}

Result<GroupReply> GroupService::read(const Request& request) {
  auto group = group_for(request);
  if (!group) return group.error();
  if (auto r = may_access(**group, request.file, kRead); !r) return r.error();
  GroupReply reply;
  // Before the text: what changes in between is told again.
  reply.generation = groups_.file_generation(**group, request.file);
  auto text = groups_.read(**group, request.file, caller_);
  if (!text) return text.error();
  reply.text = std::move(*text);
  return reply;
}

Result<GroupReply> GroupService::wait(const Request& request) {
  auto group = group_for(request);
  if (!group) return group.error();
  if (auto r = may_access(**group, request.file, kRead); !r) return r.error();
  auto generation =
      groups_.wait_for_change(**group, request.file, request.generation, request.wait_ms);
  if (!generation) return generation.error();
  auto text = groups_.read(**group, request.file, caller_);
  if (!text) return text.error();
  return GroupReply{
      .text = std::move(*text), .generation = *generation, .entries = {}, .groups = {}};
}

Result<GroupReply> GroupService::write(const Request& request) {
  auto group = group_for(request);
  if (!group) return group.error();
  if (auto r = may_access(**group, request.file, kWrite); !r) return r.error();
  if (auto r = groups_.write(**group, request.file, request.text, caller_); !r) return r.error();
  return GroupReply{};
}

Result<GroupReply> GroupService::make(const Request& request) {
  auto root = root_for(request);
  if (!root) return root.error();
  const auto [above, name] = split_path(request.path);
  const GroupAttributes attributes{caller_.uid, caller_.gid, request.mode & 07777};
  if (!request.parents) {
    if (name.empty()) return Errno{EEXIST};
    const GroupRef parent = groups_.find(**root, above);
    if (!parent) return Errno{ENOENT};
    if (auto r = may_change_children(*parent); !r) return r.error();
    auto made = groups_.make(*parent, name, attributes);
    if (!made) return made.error();
    return GroupReply{};
  }
  // The deepest that exists is where something is made; what is made below is the caller's own.
  GroupRef deepest = *root;
  for (std::string_view at = request.path; !at.empty(); at = split_path(at).first) {
    if (GroupRef there = groups_.find(**root, at)) {
      if (at == request.path) return GroupReply{};
      deepest = std::move(there);
      break;
    }
  }
  if (auto r = may_change_children(*deepest); !r) return r.error();
  auto made = make_groups(groups_, **root, request.path, attributes);
  if (!made) return made.error();
  return GroupReply{};
}

Result<GroupReply> GroupService::remove(const Request& request) {
  auto group = group_for(request);
  if (!group) return group.error();
  if ((*group)->parent() == nullptr) return Errno{EBUSY};
  if (auto r = groups_.may_change(**group, caller_, GroupChange::kItself); !r) return r.error();
  std::vector<GroupRef> all =
      request.parents ? groups_.subtree(**group) : std::vector<GroupRef>{*group};
  for (std::size_t i = all.size(); i-- > 0;) {
    if (auto r = may_access(*all[i]->parent(), {}, kWrite | kSearch); !r) return r.error();
    if (auto r = groups_.remove(*all[i]); !r) return r.error();
  }
  return GroupReply{};
}

Result<GroupReply> GroupService::rename(const Request& request) {
  auto group = group_for(request);
  if (!group) return group.error();
  if ((*group)->parent() == nullptr) return Errno{EBUSY};
  if (auto r = groups_.may_change(**group, caller_, GroupChange::kItself); !r) return r.error();
  if (auto r = may_access(*(*group)->parent(), {}, kWrite | kSearch); !r) return r.error();
  if (auto r = groups_.rename(**group, request.text); !r) return r.error();
  return GroupReply{};
}

Result<GroupReply> GroupService::set_attributes(const Request& request) {
  auto group = group_for(request);
  if (!group) return group.error();
  if (auto r = groups_.may_change(**group, caller_, GroupChange::kItself); !r) return r.error();
  // As chown(2) and chmod(2): root may all; an owner may give the group and the mode.
  const GroupAttributes now = groups_.attributes(**group, request.file);
  if (caller_.uid != 0 && (now.uid != caller_.uid || request.uid != now.uid)) return Errno{EPERM};
  const GroupAttributes wanted{request.uid, request.gid, request.mode & 07777};
  if (auto r = groups_.set_attributes(**group, request.file, wanted); !r) return r.error();
  return GroupReply{};
}

// The number behind `key`, or, without one, at the beginning; 0 if the file has none.
std::uint64_t GroupService::number_in(Group& group, std::string_view file, std::string_view key) {
  const auto text = groups_.read(group, file, caller_);
  if (!text) return 0;
  const std::size_t at = key.empty() ? 0 : text->find(key);
  if (at == std::string::npos) return 0;
  return std::strtoull(text->c_str() + at + key.size(), nullptr, 10);
}

GroupSnapshot GroupService::snapshot_of(Group& group) {
  GroupSnapshot shown;
  shown.hierarchy = group.hierarchy().id();
  shown.path = group.path();
  shown.own_tasks = static_cast<int>(groups_.tasks(group).size());
  shown.cpu_usec = number_in(group, "cpuacct.usage", {}) / 1000;
  shown.memory = number_in(group, "memory.current", {});
  shown.forks = number_in(group, "cgroup.stat", "nr_forks ");
  if (const auto max = groups_.read(group, "pids.max", caller_)) {
    std::int64_t limit = -1;
    const char* const end = max->data() + max->size();
    if (std::from_chars(max->data(), end, limit).ec == std::errc()) shown.pids_max = limit;
  }
  shown.frozen = number_in(group, "cgroup.events", "frozen ") != 0;
  for (const Ref<ThreadGroup>& process : groups_.processes(group)) {
    const Nr nr = caller_.ns ? process->nr_in(*caller_.ns) : process->level0();
    if (nr != 0) shown.processes.push_back(nr);
  }
  return shown;
}

Result<GroupReply> GroupService::snapshot() {
  GroupReply reply;
  for (const GroupRef& root : groups_.hierarchies()) {
    const std::size_t first = reply.groups.size();
    const std::vector<GroupRef> all = groups_.subtree(*root);
    std::unordered_map<const Group*, std::size_t> place;
    for (const GroupRef& group : all) {
      place[group.get()] = reply.groups.size();
      reply.groups.push_back(snapshot_of(*group));
    }
    // Children after their parents: from the end, each adds what it has to its parent.
    for (std::size_t i = all.size(); i-- > 0;) {
      GroupSnapshot& shown = reply.groups[first + i];
      shown.tasks += shown.own_tasks;
      const auto parent = place.find(all[i]->parent());
      if (parent != place.end()) reply.groups[parent->second].tasks += shown.tasks;
    }
  }
  return reply;
}

Result<GroupReply> GroupService::mount(const Request& request) {
  auto mounts = runtime_.group_mounts();
  if (!mounts) return mounts.error();
  std::string reason;
  auto mounted = (*mounts)->mount(request.path, request.text, {}, &reason);
  if (!mounted) return mounted.error();
  GroupReply reply;
  for (const GroupMount& mount : (*mounts)->list()) {
    if (mount.dir == request.path) reply.text = std::to_string(mount.hierarchy);
  }
  return reply;
}

Result<GroupReply> GroupService::unmount(const Request& request) {
  auto mounts = runtime_.group_mounts();
  if (!mounts) return mounts.error();
  if (auto r = (*mounts)->unmount(request.path); !r) return r.error();
  return GroupReply{};
}

Result<GroupReply> GroupService::reshare(const Request& request) {
  auto task = task_for(request.pid);
  if (!task) return task.error();
  const Subsystem* subsystem = groups_.find_subsystem(request.text);
  if (subsystem == nullptr) return Errno{ENOENT};
  const GroupRef root = groups_.root_of(*subsystem);
  GroupRef target;
  Ref<Task> like;
  if (request.other != 0) {
    auto other = task_for(request.other);
    if (!other) return other.error();
    like = std::move(*other);
    target = groups_.group_of(*like, root->hierarchy());
  } else {
    target = groups_.find(*root, request.path);
  }
  if (!target) return Errno{ENOENT};
  const GroupRef from = groups_.group_of(**task, root->hierarchy());
  for (Group* group : {from.get(), target.get()}) {
    if (group == nullptr) continue;
    if (auto r = groups_.may_change(*group, caller_, GroupChange::kInside); !r) return r.error();
  }
  if (auto r = may_access(*target, "cgroup.procs", kWrite); !r) return r.error();
  ThreadGroup& process = (*task)->group();
  const auto moved =
      like ? groups_.reshare(process, *like, *subsystem) : groups_.move(*target, process);
  if (!moved) return moved.error();
  return GroupReply{};
}

Result<GroupReply> GroupService::move_namespace(const Request& request) {
  const auto task = task_for(request.pid);
  if (!task) return task.error();
  const Ref<PidNamespace> target = namespaces_(request.inode);
  if (!target) return Errno{ESRCH};
  const bool theirs = real_uid_of((*task)->level0()) == caller_.uid;
  if (!theirs && caller_.uid != 0) return Errno{EPERM};
  const auto nr = move_to_namespace(runtime_, (*task)->group(), *target, request.parents);
  if (!nr) return nr.error();
  GroupReply reply;
  reply.text = std::to_string(*nr) + "\n";
  return reply;
}

}  // namespace warren
