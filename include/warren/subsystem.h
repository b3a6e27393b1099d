// Subsystem: one thing that tasks can be grouped for, a resource controller or a namespace. Each
// declares itself in its own file, through one object.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "warren/kernel.h"
#include "warren/result.h"

namespace warren {

class Group;
class Groups;
class GroupHost;

// The state of one group in one subsystem (Linux: cgroup_subsys_state). A subsystem derives its own
// from it. Owner: the group. It lives as long as its group object does, which a reader may hold
// longer than the group is in the tree.
class SubsystemState {
 public:
  virtual ~SubsystemState() = default;
  SubsystemState(const SubsystemState&) = delete;
  SubsystemState& operator=(const SubsystemState&) = delete;

  // A root's changes when its subsystem is bound to another hierarchy. In create(): not set yet.
  Group& group() const { return *group_.load(std::memory_order_acquire); }
  // That of the parent group in the same subsystem; null in a root group.
  SubsystemState* parent() const { return parent_; }
  Groups& groups() const { return *groups_; }

 protected:
  SubsystemState() = default;

 private:
  friend struct GroupsImpl;
  std::atomic<Group*> group_{nullptr};
  SubsystemState* parent_ = nullptr;
  Groups* groups_ = nullptr;
};

// On whose behalf a file is read or written, or a group made or moved.
struct GroupCaller {
  uid_t uid = 0;
  gid_t gid = 0;
  // Numbers of tasks are those of this namespace. Null: the root's, which are the host's.
  Ref<PidNamespace> ns;
  // The task that calls; null: none that the groups know. It is what 0 means in cgroup.procs.
  Ref<Task> task;
};

// What a guest may change in the group that it was given, and what not: Groups::may_change().
enum class GroupChange {
  kInside,  // who is in it, and the groups below it
  kItself,  // its files, name and owner
};

// One control file. A group has those of every subsystem of its hierarchy. The callbacks run
// without the lock of Groups; the group is pinned, and may have been removed meanwhile (then
// Groups has already answered ENODEV, or the effect is nobody's). They may block for as long as
// their work takes.
struct GroupFile {
  enum Flags : unsigned {
    kNotOnRoot = 1,   // not in a root group
    kOnlyOnRoot = 2,  // in a root group only
    // Its text changes by itself; poll(2) tells. The subsystem calls Groups::file_changed().
    kPollable = 4,
  };
  // With its subsystem's prefix: "pids.max". Unique among all subsystems.
  std::string_view name;
  unsigned flags = 0;
  // The whole text, its newline included. Null: write-only (EACCES).
  Result<std::string> (*read)(SubsystemState& state, const GroupCaller& caller) = nullptr;
  // `text`: what one write(2) brought, blanks and newlines at both ends taken away. Null: read-only
  // (EACCES). Errors: EINVAL for what cannot be understood, ERANGE, and the subsystem's own.
  Result<void> (*write)(SubsystemState& state, std::string_view text,
                        const GroupCaller& caller) = nullptr;
};

// The declaration of a subsystem: constant, of static storage. Only `name` and `create` must be
// there. Unless a line says otherwise a callback runs under the lock of Groups: it must not block,
// nor call Groups (but for what groups.h marks as allowed there).
struct Subsystem {
  // As in mount options and /proc/cgroups; [a-z_]+, unique.
  std::string_view name;

  // The state of a new group; `parent` is that of the parent group, null for a root group. Errors:
  // ENOMEM, and the subsystem's own; then no subsystem has a state of the group, and mkdir fails.
  Result<std::unique_ptr<SubsystemState>> (*create)(Groups& groups, GroupHost& host,
                                                    SubsystemState* parent) = nullptr;
  // The group leaves the tree (rmdir, or a later subsystem's create failed). The object lives on
  // until nobody holds the group.
  void (*destroy)(SubsystemState& state) = nullptr;

  // A task cloned with, or unshared, these CLONE_* flags: whether it shall begin a child group of
  // its own in the hierarchy of this subsystem (003: the namespace idea). That group, if any, is
  // the next that is made below; if it cannot be, this is called once more, with no flags.
  bool (*unshare)(SubsystemState& state, std::uint64_t clone_flags) = nullptr;

  // Before tasks move into the group. After a failure (of this or of a later subsystem, or for a
  // later task) cancel_attach() is called for each can_attach() that succeeded, and nobody moves.
  Result<void> (*can_attach)(SubsystemState& to, SubsystemState& from, Task& task) = nullptr;
  void (*cancel_attach)(SubsystemState& to, SubsystemState& from, Task& task) = nullptr;
  // The task has moved; its proxy is the new one.
  void (*attach)(SubsystemState& to, SubsystemState& from, Task& task) = nullptr;

  // Before a child of `parent` is made in its group. Errors become those of fork(2): EAGAIN, …;
  // cancel_fork() undoes each can_fork() that succeeded.
  Result<void> (*can_fork)(SubsystemState& state, Task& parent) = nullptr;
  void (*cancel_fork)(SubsystemState& state) = nullptr;
  // The child exists and its proxy is set. It has not run yet.
  void (*fork)(SubsystemState& state, Task& child) = nullptr;

  // The task ends; it is still in the group.
  void (*exit)(SubsystemState& state, Task& task) = nullptr;
  // Nothing is left of the task: its zombie was reaped. What can_fork() charged is given back.
  void (*release)(SubsystemState& state, Task& task) = nullptr;

  // The host says that the task has stopped, as GroupHost::freeze() asked.
  void (*frozen)(SubsystemState& state, Task& task) = nullptr;
  // Lines that it adds to cgroup.events ("frozen 1\n").
  std::string (*events)(SubsystemState& state) = nullptr;

  // What it does from time to time; see Groups::tick(). Runs without the lock.
  void (*tick)(Groups& groups) = nullptr;

  std::span<const GroupFile> files;
};

// Registers a subsystem for every Groups made later. Why an object: the file that defines a
// subsystem is the only one that names it. Static storage only.
//
//   constexpr Subsystem kPids{.name = "pids", .create = create, ...};
//   const SubsystemRegistration registration(kPids);
class SubsystemRegistration {
 public:
  explicit SubsystemRegistration(const Subsystem& subsystem);
  SubsystemRegistration(const SubsystemRegistration&) = delete;
  SubsystemRegistration& operator=(const SubsystemRegistration&) = delete;
};

// Those registered, in the order of their names.
std::span<const Subsystem* const> registered_subsystems();

}  // namespace warren
