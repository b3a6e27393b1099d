// MountPoint: one FUSE mount, made with as little privilege as the machine asks for.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/unique_fd.h"
#include "warren/result.h"

namespace warren::groupfs {

class Place;

struct MountRequest {
  std::string dir;     // absolute
  std::string source;  // first field of /proc/mounts
  // A process in whose mount namespace and root `dir` is meant; 0: the caller's own.
  pid_t place = 0;
};

// Why a class: who mounted also has to unmount, each of the two ways in its own manner.
//
// fusermount3 mounts for ordinary users, and stays as a process of its own that unmounts when the
// mounting process dies in whatever way. Root uses it too, for that reason, and mount(2) where
// there is none, or in another mount namespace (which usually ends with its processes).
//
// Owner: Session. Not thread-safe. What has descriptors (mount(), take_device(), release()) belongs
// in one FileTable; unmount() better does not, as it walks a path.
class MountPoint {
 public:
  // Errors: ENOENT, ENOTDIR, EACCES of the directory; ENODEV: no /dev/fuse; ENOPKG: no fusermount3,
  // and not root; EACCES, EPERM: not for this user; else what mount(2) says. `reason`, unless null,
  // is a sentence for the user, without a full stop; empty where strerror(3) says it all.
  static Result<MountPoint> mount(const MountRequest& request, std::string* reason);

  MountPoint(MountPoint&&) noexcept = default;
  MountPoint& operator=(MountPoint&&) noexcept = default;
  // Does not unmount. Only after release() or take_device() outside of the table.
  ~MountPoint() = default;

  // The end for the file system; the caller's from now on.
  UniqueFd take_device() { return std::move(device_); }
  // EBUSY: somebody is in there. EINVAL: it is not mounted any more. `lazily`: out of sight at
  // once. `place`: a process in whose mount namespace and root it is mounted; 0: the caller's own.
  Result<void> unmount(bool lazily, pid_t place = 0);
  // In another mount namespace or root than the caller's own. That is not kept alive for the mount,
  // so who unmounts has to name a process in there.
  bool elsewhere() const { return elsewhere_; }
  // Its st_dev, as /proc/PID/mountinfo names it; 0 if it is not mounted.
  dev_t device_number() const { return device_number_; }
  // Closes the device, if it was not taken, and no process watches over the mount any more. To be
  // called when it is unmounted.
  void release();

 private:
  MountPoint() = default;
  // Both return an errno, 0 for none; ENOPKG: no fusermount3.
  int mount_by_helper(const std::string& source, std::string* reason);
  int mount_by_system_call(const std::string& source, const Place& place);

  std::string dir_;
  bool elsewhere_ = false;
  UniqueFd device_;
  dev_t device_number_ = 0;
  UniqueFd watcher_channel_;  // its end makes the watcher unmount and exit
  pid_t watcher_ = 0;
};

// Whether other users than the one who mounted may be let in: always for root, else where
// /etc/fuse.conf says user_allow_other.
bool may_allow_others();

}  // namespace warren::groupfs
