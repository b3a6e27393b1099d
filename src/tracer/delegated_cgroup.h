// A container in the kernel's cgroups: `warren run --cgroup=delegate`.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/unique_fd.h"
#include "tracer/cgroup_events.h"
#include "tracer/cgroup_place.h"
#include "warren/group_mirror.h"

namespace warren {

class Groups;

// The directories of one container, below the delegated one that `warren run` was started in:
//
//   D/warren-NAME/supervisor        front and supervisor, which must leave D before the kernel lets
//                                   anybody below it have controllers
//   D/warren-NAME/root              the root group; below it a directory for each group
//   D/.../GROUP/warren.tasks        the group's own tasks: a cgroup has controllers or processes,
//                                   while a group of warren's may have tasks beside its children.
//                                   Limits are GROUP's, and so hold for both
//
// Made by the front, then a copy of it is in the supervisor too. end() may be called by both, and
// does what the other has left: the supervisor at the container's end, the front after that, so
// that the directories go whichever of the two is killed. Thread-safe; its mutexes are
// leaves, but that of the events is held while Groups::file_changed() is called.
class DelegatedCgroup final : public GroupMirror {
 public:
  // Moves the caller, and `own` with it, out of the directory that they are in. Removes what
  // containers that were killed with their front have left there. `problem`: what failed, for a
  // person, in the form "PATH: strerror; what to do"; then nothing has changed.
  static std::unique_ptr<DelegatedCgroup> create(const std::string& container,
                                                 std::span<const pid_t> own, std::string* problem);
  ~DelegatedCgroup() override = default;

  // The controllers that the kernel has, by name.
  const std::vector<std::string>& controllers() const { return controllers_; }
  // Tells these groups of changes from now on. Before groups are made; `groups` outlives end().
  void watch(Groups& groups);
  // Everybody is killed who is left, the directories go, and the caller and all others of the
  // supervisor's directory are in D again, as before.
  void end();

  // GroupMirror
  bool takes_over(std::string_view subsystem) const override;
  bool has(std::string_view file) const override;
  Result<void> make(Group& group) override;
  void remove(const Group& group) override;
  Result<void> place(ThreadGroup& process, const Group& group) override;
  Result<std::string> read(const Group& group, std::string_view file) override;
  Result<void> write(const Group& group, std::string_view file, std::string_view text) override;

 private:
  using Directory = std::shared_ptr<const UniqueFd>;
  // The cgroup of one group.
  struct Node {
    Directory directory;
    Directory above;
    std::string name;  // in `above`: the group's, unless that was taken
  };
  // A directory that still had somebody in it, whom warren had counted out already.
  struct Leftover {
    Directory above;
    std::string name;
  };

  DelegatedCgroup(cgroup::Place place, std::string name)
      : place_(std::move(place)), name_(std::move(name)) {}

  void remove_stale();
  Result<void> build(std::span<const pid_t> own);
  void enable_controllers();
  Directory find(const Group& group);
  void remove_leftovers();  // mutex_ is held

  const cgroup::Place place_;
  const std::string name_;
  std::vector<std::string> controllers_;
  std::vector<std::string> enabled_;  // in D, by this container
  UniqueFd top_;                      // D/warren-NAME
  Directory root_;
  std::unique_ptr<cgroup::Events> events_;  // null in the front
  std::mutex mutex_;
  std::unordered_map<std::uint64_t, Node> nodes_;  // by Group::id(); guarded by mutex_
  std::vector<Leftover> leftovers_;                // guarded by mutex_
};

}  // namespace warren
