// GroupMirror: where the kernel's own controllers do for warren's groups what warren would do
// itself. Each group of the default hierarchy then has a cgroup that the host keeps beside it. A
// host without one (GroupHost::mirror() is null) leaves every subsystem to the library.
#pragma once

#include <string>
#include <string_view>

#include "warren/result.h"
#include "warren/task.h"

namespace warren {

class Group;

// Owner: the embedder; outlives the Groups. Thread-safe. make(), remove() and place() are called
// under the lock of Groups, read() and write() without it; none may call Groups back, but for what
// groups.h marks as allowed there.
class GroupMirror {
 public:
  virtual ~GroupMirror() = default;

  // Whether the kernel enforces the subsystem of this name. The answer never changes. The callbacks
  // of such a subsystem around fork, exit and moves are not called, its files are read() and
  // write(), and it cannot be mounted elsewhere (EBUSY).
  virtual bool takes_over(std::string_view subsystem) const = 0;

  // Whether the kernel has a file of a subsystem that is taken over, or what it can be made of; a
  // group has no others. The answer never changes. With or without the lock.
  virtual bool has(std::string_view file) const = 0;

  // A group was made below one that is mirrored (a root always is). An error is mkdir's.
  virtual Result<void> make(Group& group) = 0;
  // The group has left the tree. No tasks are in it, as far as warren knows.
  virtual void remove(const Group& group) = 0;
  // Puts the whole process into the group: the kernel's controllers know no single threads. One
  // that has ended meanwhile is no error. Errors: the kernel's, for a write to cgroup.procs.
  virtual Result<void> place(ThreadGroup& process, const Group& group) = 0;

  // A file of a subsystem that is taken over, by the name that the subsystem gives it. Of changes
  // the mirror tells by Groups::file_changed(), from a thread of its own, until remove(). Errors:
  // the kernel's. EOPNOTSUPP: it can only be read. ENODEV: the group is gone.
  virtual Result<std::string> read(const Group& group, std::string_view file) = 0;
  virtual Result<void> write(const Group& group, std::string_view file, std::string_view text) = 0;
};

}  // namespace warren
