// GroupMounts: the mounted hierarchies of one container.
#pragma once

#include <sys/types.h>

#include <condition_variable>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "groupfs/file_system.h"
#include "groupfs/session.h"
#include "warren/groups.h"
#include "warren/result.h"

namespace warren {

using GroupCallerLookup = groupfs::CallerLookup;

// Where and as what a hierarchy is mounted, besides the directory.
struct MountPlace {
  // A guest in whose mount namespace and root the directory is meant; 0: the supervisor's.
  pid_t process = 0;
  // As the fields of /proc/mounts have it. FUSE's own type is always "fuse.rcfs".
  std::string source = "rcfs";
  std::string type = "rcfs";  // or "cgroup", "cgroup2": what a guest asked for
};

// One mounted hierarchy, as /proc/mounts should have it.
struct GroupMount {
  std::string dir;  // in the mount namespace and root of who asked
  std::string source;
  std::string type;
  std::string options;  // "rw,nosuid,nodev,noexec,relatime,cpuset,pids,name=x"
  int hierarchy = 0;
  dev_t device = 0;  // st_dev; the same wherever else the mount was copied or bound to
};

// Why a class: it owns the sessions, and drops those that were unmounted behind its back.
//
// Owner: the runtime, who ends it before Groups. Thread-safe. The calls may take as long as
// fusermount3 does; not from a thread that must serve somebody meanwhile (file operations may need
// the tracer), nor under the lock of Groups.
class GroupMounts {
 public:
  // `caller`: who a process of the host is, by its number (of a thread; 0: one that the supervisor
  // cannot see) and its ids; called from the file system's threads. EAGAIN: no thread to be had.
  static Result<std::unique_ptr<GroupMounts>> create(Groups& groups, GroupCallerLookup caller);
  // unmount_all().
  ~GroupMounts();
  GroupMounts(const GroupMounts&) = delete;
  GroupMounts& operator=(const GroupMounts&) = delete;

  // Mounts the hierarchy that `options` ask for (MountOptions) at an absolute directory. A
  // hierarchy whose root belongs to root goes to the supervisor's user. Errors: EINVAL: bad
  // options, or a directory that is not absolute; those of Groups::mount(); ENOENT, ENOTDIR of the
  // directory; ENODEV: no /dev/fuse; ENOPKG: no fusermount3, and the supervisor is not root;
  // EACCES, EPERM: not for this user; EPERM: a guest names a release agent. `reason`, unless null:
  // a sentence for the user that says more; may be empty.
  Result<void> mount(const std::string& dir, std::string_view options, const MountPlace& place = {},
                     std::string* reason = nullptr);
  // The last one mounted there, in the namespace of `place`. EINVAL: none. EBUSY: somebody is in
  // there, or has a file open.
  Result<void> unmount(const std::string& dir, const MountPlace& place = {});
  // All of them, whoever is in there: who has a file open gets ENOTCONN. Waits for the requests
  // that are being served.
  void unmount_all();
  // Oldest first.
  std::vector<GroupMount> list() const;

 private:
  struct Mount {
    std::uint64_t id = 0;
    GroupMount shown;
    ino_t mount_namespace = 0;  // of `shown.dir`
    GroupRef root;
    std::unique_ptr<groupfs::Session> session;  // null: it is being ended
    bool in_use = false;                        // the session is not to be ended yet
    bool unmounted = false;                     // not at its directory any more
  };

  GroupMounts(Groups& groups, GroupCallerLookup caller);
  std::string shown_options(const MountOptions& options, const Group& root) const;
  Mount* find(std::uint64_t id);  // under mutex_
  // Waits until those that are unmounted already, by whomever, bind no subsystem any more.
  void settle();
  // Takes the session out, ends it, and forgets the mount. Nothing if somebody else does.
  void end(std::uint64_t id);
  void clean();

  Groups& groups_;
  groupfs::FileSystem::Shared shared_;
  std::thread cleaner_;  // ends the sessions that the kernel dropped

  std::mutex changing_;  // one mount() or unmount() at a time; before mutex_
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_:
  std::list<Mount> mounts_;
  std::vector<std::uint64_t> dropped_;  // by the kernel, and not yet ended
  std::uint64_t next_id_ = 1;
  bool closing_ = false;
};

}  // namespace warren
