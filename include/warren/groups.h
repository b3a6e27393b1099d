// Groups: task groups in hierarchies, the task proxies that tie tasks to them, and what happens to
// both when tasks fork, move and end. The seed's "containers" (003), Linux's cgroups; no system
// call anywhere.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "warren/group_host.h"
#include "warren/kernel.h"
#include "warren/membership.h"
#include "warren/read_section.h"
#include "warren/result.h"
#include "warren/subsystem.h"

namespace warren {

class Groups;
class Hierarchy;
struct GroupsImpl;

// One group: a directory of a hierarchy. Owner: reference counted (GroupRef); the tree holds it
// until it is removed, each proxy of its tasks too. Members are thread-safe.
class Group {
 public:
  // Its own name; "/" for a root. Changes by rename().
  std::string name() const;
  // From the root of its hierarchy: "/", "/a/b".
  std::string path() const;
  Hierarchy& hierarchy() const { return *hierarchy_; }
  // Null: a root.
  Group* parent() const { return parent_; }
  // Never given twice in one Groups. An inode number.
  std::uint64_t id() const { return id_; }
  // False once it was removed.
  bool alive() const;
  int depth() const { return depth_; }
  // Its state in a subsystem of its hierarchy; null for one of another hierarchy.
  SubsystemState* state(const Subsystem& subsystem) const;
  // cgroup.clone_children, which cpuset asks for.
  bool clone_children() const;

  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

 private:
  friend class Groups;
  friend struct GroupsImpl;
  friend class GroupRef;
  struct Inner;
  Group() = default;
  ~Group();
  void acquire();
  void release();
  std::unique_ptr<Inner> inner_;
  Hierarchy* hierarchy_ = nullptr;
  Group* parent_ = nullptr;
  std::uint64_t id_ = 0;
  int depth_ = 0;
};

// Holds one reference to a group, or none.
class GroupRef {
 public:
  GroupRef() = default;
  explicit GroupRef(Group* group);
  GroupRef(const GroupRef& other) : GroupRef(other.group_) {}
  GroupRef(GroupRef&& other) noexcept : group_(other.group_) { other.group_ = nullptr; }
  GroupRef& operator=(GroupRef other) noexcept {
    std::swap(group_, other.group_);
    return *this;
  }
  ~GroupRef();
  Group* get() const { return group_; }
  Group& operator*() const { return *group_; }
  Group* operator->() const { return group_; }
  explicit operator bool() const { return group_ != nullptr; }

 private:
  Group* group_ = nullptr;
};

// A tree of groups with its subsystems. Lives while it is mounted, has groups besides its root, or
// is the default one. Valid while a Group of it is held.
class Hierarchy {
 public:
  // As in /proc/PID/cgroup: 0 for the default hierarchy, which holds every subsystem that is bound
  // nowhere else.
  int id() const { return id_; }
  // "name=..." of its mount; may be empty.
  const std::string& name() const { return name_; }
  // In the order of the table.
  std::vector<const Subsystem*> subsystems() const;

 private:
  friend class Groups;
  friend struct GroupsImpl;
  Hierarchy() = default;
  int id_ = 0;
  int slot_ = 0;  // its place in each proxy
  std::string name_;
  GroupsImpl* groups_ = nullptr;
  std::atomic<std::uint32_t> mask_{0};       // its subsystems, by their places in the table
  std::atomic<std::uint32_t> groups_of_{0};  // Group objects that point here
};

// What a task belongs to: one group in each hierarchy, and so one state in each subsystem.
// Immutable and interned: tasks with the same memberships share one (003: task_proxy; Linux:
// css_set).
class TaskProxy {
 public:
  // Valid in the ReadSection in which the proxy was found, or under a reference.
  SubsystemState* state(const Subsystem& subsystem) const;
  Group* group(const Hierarchy& hierarchy) const;

  TaskProxy(const TaskProxy&) = delete;
  TaskProxy& operator=(const TaskProxy&) = delete;

 protected:
  TaskProxy() = default;
  ~TaskProxy() = default;
};

// The membership of a child that is not there yet. Its end without Groups::publish_fork() cancels.
// Move-only, one thread at a time.
class ForkMembership {
 public:
  ForkMembership() = default;
  ForkMembership(ForkMembership&& other) noexcept;
  ForkMembership& operator=(ForkMembership&& other) noexcept;
  ~ForkMembership();
  explicit operator bool() const { return pending_ != nullptr; }

 private:
  friend class Groups;
  friend struct GroupsImpl;
  void cancel();
  GroupsImpl* groups_ = nullptr;
  struct PendingFork* pending_ = nullptr;
};

// What `mount -t rcfs -o OPTIONS` asks for.
struct MountOptions {
  std::vector<std::string> subsystems;  // by name
  bool all = false;                     // "all": every subsystem that is bound nowhere else
  bool none = false;                    // "none": no subsystem; needs a name
  std::string name;                     // "name=": [A-Za-z0-9_.-]+, at most 63 bytes
  std::string release_agent;            // "release_agent="
  bool clone_children = false;          // "clone_children"
  // Nothing at all: the default hierarchy.
  static Result<MountOptions> parse(std::string_view options);  // EINVAL
};

struct GroupAttributes {
  uid_t uid = 0;
  gid_t gid = 0;
  mode_t mode = 0755;
};

// Owner: the embedder, who ends it after the last task has left (release()) and before its Kernel.
// Thread-safe. What changes anything takes one lock; readers follow task → proxy → state without it
// (RCU). Lock order: before the engine's own. Refers to its tasks; outlives its GroupRefs.
class Groups {
 public:
  // With the subsystems registered (tests: with these). EEXIST: two of one name, or two files of
  // one name. ENOSPC: more than kMaxSubsystems. EINVAL: a bad name, or no create(). Else what the
  // creation of the root states failed with.
  // Both outlive it.
  static Result<std::unique_ptr<Groups>> create(
      Kernel& kernel, GroupHost& host,
      std::span<const Subsystem* const> subsystems = registered_subsystems());
  ~Groups();
  Groups(const Groups&) = delete;
  Groups& operator=(const Groups&) = delete;

  static constexpr int kMaxSubsystems = 24;  // some slots stay free for add_subsystem()
  static constexpr int kMaxHierarchies = 16;

  // One more, brought by a program that is already running; joins the default hierarchy, whose
  // groups all get a state. Errors as create(). EBUSY: tasks exist outside the root groups.
  Result<void> add_subsystem(const Subsystem& subsystem);
  const Subsystem* find_subsystem(std::string_view name) const;
  std::vector<const Subsystem*> subsystems() const;
  GroupHost& host() const;
  Kernel& kernel() const;

  // --- Tasks ---

  // The first task of a container, or one from outside: into `group`, and elsewhere into the roots.
  // A null group: the roots everywhere. Errors: as can_fork() of the subsystems.
  Result<void> adopt(Task& task, Group* group = nullptr);
  // Before a fork. Costs the reference to the parent's proxy and the subsystems that have
  // can_fork(). Errors: theirs.
  Result<ForkMembership> begin_fork(Task& parent);
  // The child is there and has not run. If the parent has moved since, the child is where the
  // parent was.
  void publish_fork(ForkMembership membership, Task& child);
  // clone(2) or unshare(2) with `clone_flags`: makes and enters child groups for those subsystems
  // that want them; named by `name`, or name_2, … where that is taken. Such a group goes with its
  // last task, unless it has children.
  Result<void> unshare(Task& task, std::uint64_t clone_flags, std::string_view name);
  // The task has ended; it is in no list any more, but its charges stay.
  void exit(Task& task);
  // It is reaped. exit() first.
  void release(Task& task);

  // --- Reading (lock-free) ---

  const TaskProxy* proxy(const Task& task, const ReadSection& section) const;
  // The state of the task's group in the subsystem.
  SubsystemState* state(const Task& task, const Subsystem& subsystem,
                        const ReadSection& section) const;

  // --- Moving ---

  // Moves the tasks into the group, all or none. EBUSY, ENODEV: the group is gone; ESRCH: a task
  // has ended; else what a subsystem's can_attach() says.
  Result<void> move(Group& to, std::span<const Ref<Task>> tasks);
  // A whole process: all its threads, those that are being made too.
  Result<void> move(Group& to, ThreadGroup& process);
  // The process takes on `other`'s group in the hierarchy of this subsystem, and keeps all else
  // (003: reshare).
  Result<void> reshare(ThreadGroup& process, const Task& other, const Subsystem& subsystem);

  // --- Hierarchies and groups ---

  // Takes part in a mount; unmount() ends it. The same set mounts the same hierarchy again. EBUSY:
  // some of the subsystems, but not all and only them, are bound elsewhere, or are in use in the
  // default hierarchy (it has groups besides its root). ENOENT: no such subsystem. EINVAL: none and
  // no name. ENOSPC: too many. The root of the hierarchy.
  Result<GroupRef> mount(const MountOptions& options);
  void unmount(Hierarchy& hierarchy);
  // Those that exist, by id; each given by its root.
  std::vector<GroupRef> hierarchies() const;
  GroupRef default_root() const;
  // By subsystem.
  GroupRef root_of(const Subsystem& subsystem) const;

  // EEXIST, ENOENT (the parent is gone), EINVAL (a name with a newline), ENAMETOOLONG (255),
  // EAGAIN (cgroup.max.depth, cgroup.max.descendants), and what create() of a subsystem says.
  Result<GroupRef> make(Group& parent, std::string_view name, const GroupAttributes& attributes);
  // EBUSY: tasks (zombies do not count) or children; EBUSY for a root; ENOENT: is gone already.
  Result<void> remove(Group& group);
  // Within its parent, as for cgroup v1: EEXIST, EBUSY for a root. Across parents it is EIO there,
  // which is the caller's to notice.
  Result<void> rename(Group& group, std::string_view name);
  // "/a/b" or "a/b"; "" and "/" are the root. Null: ENOENT.
  GroupRef find(Group& root, std::string_view path) const;
  std::vector<GroupRef> children(Group& group) const;
  // The group and all below it, parents first.
  std::vector<GroupRef> subtree(Group& group) const;
  // Tasks that have not ended: of the group itself, oldest membership first.
  std::vector<Ref<Task>> tasks(const Group& group) const;
  // Processes with a thread in the group; each once.
  std::vector<Ref<ThreadGroup>> processes(const Group& group) const;
  GroupRef group_of(const Task& task, const Hierarchy& hierarchy) const;
  int nr_proxies() const;

  // --- Files: what groupfs, the commands and guests show ---

  // Names of the files of a group, the common ones (tasks, cgroup.procs, …) first.
  std::vector<std::string> files(const Group& group) const;
  // Whether there is such a file, and its mode: 0444, 0644, 0200.
  std::optional<mode_t> file_mode(const Group& group, std::string_view file) const;
  // ENOENT: no such file; ENODEV: the group is gone; EACCES: the file cannot be read or written.
  // Permissions of the directory and file are the caller's business, except that writing tasks and
  // cgroup.procs checks, as cgroups(7) says, that the caller may also write the cgroup.procs of the
  // common ancestor (EACCES); and write() checks may_change() (EPERM), for that ancestor too.
  Result<std::string> read(Group& group, std::string_view file, const GroupCaller& caller);
  Result<void> write(Group& group, std::string_view file, std::string_view text,
                     const GroupCaller& caller);
  // Whether a guest may; who asks from outside (no `ns`) is not restricted here. A guest changes
  // nothing but what lies below the group that its namespace was given, which is where the init is
  // or was before it moved itself; and in that group itself only what is kInside: limits that were
  // set for it stay. Nor does it change a group with tasks, there or below, that its namespace does
  // not see. EPERM.
  Result<void> may_change(Group& group, const GroupCaller& caller, GroupChange change) const;
  // What writing the file changes.
  static GroupChange change_by(std::string_view file);
  // Of the directory (file empty) or a file. Kept with the group.
  GroupAttributes attributes(const Group& group, std::string_view file = {}) const;
  Result<void> set_attributes(Group& group, std::string_view file,
                              const GroupAttributes& attributes);
  // A number that grows with each change that a kPollable file tells of.
  std::uint64_t file_generation(const Group& group, std::string_view file) const;
  // Waits for it to differ from `seen`, at most so long. ENODEV: the group is gone meanwhile.
  Result<std::uint64_t> wait_for_change(Group& group, std::string_view file, std::uint64_t seen,
                                        int timeout_ms);
  // Who polls many files: `listener` is called at each such change, and with an empty file when a
  // group has been removed. Under the lock: it must not block, nor call Groups. One at a time; null
  // for none. When this returns, the one before is not called any more.
  void set_change_listener(std::function<void(Group&, std::string_view file)> listener);

  // "ID:subsystems:PATH" lines, as in /proc/PID/cgroup, highest id first.
  std::string proc_cgroup(const Task& task) const;
  // As /proc/cgroups.
  std::string proc_cgroups() const;

  // --- For subsystems and the host ---
  //
  // What a subsystem's callbacks may call under the lock, besides what is lock-free above (host(),
  // proxy(), state()): file_changed(), want_tick(), for_each_group() and for_each_task().

  // The file's text is another now: who polls or waits for it is told. With the lock or without.
  void file_changed(Group& group, std::string_view file);

  // Holds the lock: group trees and memberships do not change meanwhile. For a subsystem's file
  // callbacks and tick(), where they look at or change what others do under it. `f` must not block,
  // and may call of Groups what callbacks under the lock may.
  void locked(const std::function<void()>& f);
  // Under the lock only. The group and all below it, parents first.
  void for_each_group(Group& top, const std::function<void(Group&)>& f);
  void for_each_task(Group& group, const std::function<void(Task&)>& f);

  // From the host: the task has stopped, since freeze() was asked for.
  void task_frozen(Task& task);
  // From the host, every now and then; see GroupHost::set_tick(). Never under the lock.
  void tick();
  // By a subsystem: tick() is wanted at least so often; 0: not any more. The shortest wish counts.
  // With the lock or without; the host is told before it returns (GroupHost::set_tick()).
  void want_tick(const Subsystem& subsystem, int milliseconds);

 private:
  friend struct GroupsImpl;
  friend class Group;
  friend class GroupRef;
  friend class ForkMembership;
  Groups();
  std::unique_ptr<GroupsImpl> impl_;
};

}  // namespace warren
